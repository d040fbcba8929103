INSERT INTO crops (id, origin, job_id, source_crop_id, pack_key, pack_index, bbox, area_px, flags) VALUES
    ('crop_generated', 'generated', 'job_ended', 'crop_segmented', 'crops/dd/cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.npz', 0, '[0, 0, 4, 4]', 16, '{}');

INSERT INTO synthetic_crops (crop_id, generator, seed, sample_number, canvas_scale) VALUES
    ('crop_generated', 'bridge/1', 7, 0, 1.5);
