"""API tokens: what they allow, and how they are created, used and revoked."""
