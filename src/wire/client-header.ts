/** Size of the fixed header that starts every client frame, in bytes. */
export const clientHeaderBytes = 72;
