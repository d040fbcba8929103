INSERT INTO dataset_versions (name, version, sha256, source, manifest, counts) VALUES
    ('bars', 1, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'import', '{"license": "CC0-1.0", "description": "", "warnings": []}',
     '{"train": {"normal": 1}, "val": {}, "test": {}}');

INSERT INTO dataset_items (dataset_name, dataset_version, position, crop_id, class, split, "group", chromosome, sha256)
VALUES ('bars', 1, 0, 'crop_imported', 'normal', 'train', 'slide 3', '7', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb');

INSERT INTO jobs (id, kind, status, params, inputs, artifacts, sample, queue, max_attempts, progress_done,
                  progress_total, started_at, finished_at) VALUES
    ('job_classified', 'classification', 'succeeded', '{"threshold": 0.5}', '{"crops": 1}', '{"classifier": "bars/1"}',
     'S26-1', 'gpu', 3, 1, 1, now(), now());

INSERT INTO embedding_sets (job_id, classifier, object_key, sha256, num_rows, dimensions) VALUES
    ('job_classified', 'bars/1', 'embeddings/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.npy', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 1, 512);

INSERT INTO predictions (crop_id, job_id, classifier, class, probability, item_position, embedding_row) VALUES
    ('crop_segmented', 'job_classified', 'bars/1', 'aberration', 0.75, 0, 0);

UPDATE crops SET predicted_class = 'aberration', probability = 0.75, predicted_by = 'bars/1'
WHERE id = 'crop_segmented';
