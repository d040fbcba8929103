INSERT INTO uploads (id, filename, size_bytes, object_key, created_by, expires_at) VALUES
    ('upl_one', 'large.tif', 1000, 'incoming/upl_one', 'lims', now() + interval '1 day');
