INSERT INTO crops (id, origin, job_id, pack_key, pack_index, bbox, area_px, flags) VALUES
    ('crop_simulated', 'simulated', 'job_ended', 'crops/ee/cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.npz', 0, '[0, 0, 4, 4]', 16, '{}');

INSERT INTO dataset_versions (name, version, sha256, source, manifest, counts) VALUES
    ('simulated', 1, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'simulation', '{"description": "", "warnings": []}', '{"train": {}, "val": {}, "test": {}}');
