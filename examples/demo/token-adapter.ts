import type { Adapter, AdapterPayload } from 'oidc-provider';

/** What the journal hears from the store itself, whatever the provider's events say. */
export interface AdapterEvents {
  /** A refresh token was marked as spent. */
  consumed(family: string): void;
  /** Everything of a grant was dropped. */
  revoked(family: string): void;
}

/** @returns the constructor that `oidc-provider` asks for: one adapter per model over one map. */
export function memoryAdapters(events: AdapterEvents): (model: string) => Adapter {
  const stored = new Map<string, AdapterPayload>();
  const keysOfGrant = new Map<string, Set<string>>();
  const revokedGrants = new Set<string>();

  return (model) => {
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
        if (payload === undefined) return;
        payload.consumed = Math.floor(Date.now() / 1_000);
        if (model === 'RefreshToken') events.consumed(payload.accountId ?? '');
      },
      async destroy(id) {
        stored.delete(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const key of keysOfGrant.get(grantId) ?? []) stored.delete(key);
        keysOfGrant.delete(grantId);
        if (revokedGrants.has(grantId)) return; // the provider asks once per model
        revokedGrants.add(grantId);
        events.revoked(familyOf(grantId));
      },
    };
  };
}
