import type { Adapter, AdapterPayload } from 'oidc-provider';

/** What the authorisation server remembers, and what the journal hears from it, whatever the provider's events say. */
export interface TokenStore {
  /** What `oidc-provider` asks for: one adapter per model over one map. */
  adapterFor(model: string): Adapter;
  /** When an access token expires, in Unix ms. */
  expiresAt(accessToken: string): number;
}

/** @param revoked - called once when everything of a grant is dropped. */
export function memoryStore(revoked: (family: string) => void): TokenStore {
  const stored = new Map<string, AdapterPayload>();
  const keysOfGrant = new Map<string, Set<string>>();
  const revokedGrants = new Set<string>();

  const expiresAt = (accessToken: string) => (stored.get(`AccessToken:${accessToken}`)?.exp ?? 0) * 1_000;
  const adapterFor = (model: string): Adapter => {
    const keyOf = (id: string) => `${model}:${id}`;
    const familyOf = (grantId: string) => stored.get(`Grant:${grantId}`)?.accountId ?? '';
    return {
      async upsert(id, payload) {
        stored.set(keyOf(id), payload);
        if (payload.grantId === undefined) return;
        const keys = keysOfGrant.get(payload.grantId) ?? new Set();
        keysOfGrant.set(payload.grantId, keys.add(keyOf(id)));
      },
      async find(id) {
        return stored.get(keyOf(id));
      },
      async findByUid() {
        return undefined;
      },
      async findByUserCode() {
        return undefined;
      },
      async consume(id) {
        const payload = stored.get(keyOf(id));
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1_000);
      },
      async destroy(id) {
        stored.delete(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const key of keysOfGrant.get(grantId) ?? []) stored.delete(key);
        keysOfGrant.delete(grantId);
        if (revokedGrants.has(grantId)) return; // the provider asks once per model
        revokedGrants.add(grantId);
        revoked(familyOf(grantId));
      },
    };
  };
  return { adapterFor, expiresAt };
}
