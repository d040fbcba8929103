INSERT INTO api_keys (id, name, key_sha256, scopes, revoked_at) VALUES
    ('key_lims', 'lims', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '{read,submit}', NULL),
    ('key_gone', 'gone', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', '{admin}', now());

INSERT INTO audit (actor, action, subject, details) VALUES ('lims', 'batch.create', 'batch_one', '{"images": 1}');

INSERT INTO idempotency_keys (caller, key, fingerprint, status, headers, body, locked_until) VALUES
    ('lims', 'one', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 201, '{"location": "/v1/batches/batch_one"}', '{"id": "batch_one"}', now());

INSERT INTO jobs (id, kind, status, params, inputs, artifacts, sample, queue, priority, max_attempts,
                  lease_token, lease_expires_at, worker, attempt, progress_done, progress_total, error, result,
                  started_at, finished_at) VALUES
    ('job_queued', 'diagnostic', 'queued', '{"items": 2}', '{}', '{}', NULL, 'cpu', 6, 3,
     NULL, NULL, NULL, 0, 0, 0, NULL, '{}', NULL, NULL),
    ('job_running', 'diagnostic', 'running', '{"items": 2}', '{}', '{}', NULL, 'cpu', 6, 3,
     'token', now() + interval '1 minute', 'host:1', 1, 1, 2, NULL, '{}', now(), NULL),
    ('job_cancelling', 'diagnostic', 'cancelling', '{"items": 2}', '{}', '{}', NULL, 'cpu', 6, 3,
     'other', now() + interval '1 minute', 'host:2', 1, 1, 2, NULL, '{}', now(), NULL),
    ('job_ended', 'segmentation', 'succeeded', '{}', '{"image_ids": ["img_one"]}', '{"segmenter": "chromosome/1"}',
     'S26-1', 'gpu', 6, 3, NULL, NULL, NULL, 1, 1, 1, NULL, '{"chromosomes": 1}', now(), now()),
    ('job_failed', 'diagnostic', 'failed', '{"items": 1}', '{}', '{}', NULL, 'cpu', 6, 3,
     NULL, NULL, NULL, 3, 0, 1, '{"code": "worker_lost", "title": "The worker was lost", "detail": "Three times."}',
     '{}', now(), now());

INSERT INTO job_items (job_id, position, input_id, status, outputs, started, finished_at) VALUES
    ('job_running', 0, 'item-0', 'succeeded', '{"attempt": 1}', 1, now()),
    ('job_running', 1, 'item-1', 'pending', '{}', 1, NULL),
    ('job_ended', 0, 'img_one', 'succeeded', '{"crops": 1}', 1, now());

INSERT INTO batches (id, sample, slide, pixel_size_um, channel_rule, extra, items, job_id) VALUES
    ('batch_one', 'S26-1', '3', 0.065, NULL, '{"ward": "H2"}',
     '[{"filename": "one.tif", "status": "stored", "image_id": "img_one", "error": null}]', 'job_ended');

INSERT INTO images (id, batch_id, sample, slide, filename, sha256, identity_sha256, height, width, channels,
                    bit_depth, pixel_size_um, sources, layout) VALUES
    ('img_one', 'batch_one', 'S26-1', '3', 'one.tif', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 32, 40, '{red,green,dapi}', 8, 0.065,
     '[{"filename": "one.tif", "key": "originals/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "size_bytes": 100}]',
     '{"version": 1, "sources": [{"channel": "red", "file": "one.tif", "plane": 0},
       {"channel": "green", "file": "one.tif", "plane": 1}, {"channel": "dapi", "file": "one.tif", "plane": 2}],
       "height": 32, "width": 40, "bit_depth": 8, "pixel_size_um": 0.065}');

INSERT INTO image_masks (id, image_id, annotator, object_key, sha256, num_instances) VALUES
    ('mask_one', 'img_one', 'ada', 'masks/cc/cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.tif', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 1);

INSERT INTO segmentations (job_id, image_id, segmenter, masks_key, crops_key, num_chromosomes, num_touching,
                           removed, shifts_px, levels, seconds) VALUES
    ('job_ended', 'img_one', 'chromosome/1', 'masks/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.tif', 'crops/bb/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.npz', 1, 0,
     '{"small": 1}', '{"red": [0, 1]}', '{"dapi": [10, 200]}', 0.5);

INSERT INTO crops (id, origin, image_id, sample, job_id, pack_key, pack_index, label, bbox, area_px,
                   orientation_deg, length_px, width_px, flags, class) VALUES
    ('crop_segmented', 'segmented', 'img_one', 'S26-1', 'job_ended', 'crops/bb/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.npz', 0, 1, '[4, 5, 14, 9]', 40,
     90, 10, 4, '{touching}', 'aberration'),
    ('crop_imported', 'imported', NULL, NULL, NULL, 'crops/cc/cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.npz', 0, NULL, '[0, 0, 4, 4]', 16,
     NULL, NULL, NULL, '{}', 'normal');

INSERT INTO crop_annotations (id, crop_id, class, annotator) VALUES
    ('ann_one', 'crop_segmented', 'aberration', 'ada');

INSERT INTO artifact_versions (kind, name, version, manifest, files, sha256, size_bytes, job_id) VALUES
    ('segmenter', 'chromosome', 1, '{"kind": "segmenter"}',
     '{"weights.safetensors": {"key": "artifacts/aa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.safetensors", "sha256": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "size_bytes": 8}}',
     'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 8, NULL);

INSERT INTO artifact_aliases (kind, name, alias, version) VALUES ('segmenter', 'chromosome', 'production', 1);
