INSERT INTO api_keys (id, name, key_sha256, scopes, expires_at, last_used_at, replaces) VALUES
    ('key_next', 'lims-next', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', '{read,submit}', now() + interval '1 year', now(), 'key_lims');
