INSERT INTO jobs (id, kind, status, params, inputs, artifacts, result, queue, max_attempts, progress_done, progress_total,
                  started_at, finished_at) VALUES
    ('job_filtered', 'filtering', 'succeeded', '{"level": 0.95}', '{"crops": 1}',
     '{"filter": "map/1", "classifier": "bars/1"}', '{"level": 0.95, "max_percentile": null}', 'gpu', 3, 1, 1, now(), now());

INSERT INTO filter_scores (crop_id, job_id, filter, x, y, component, mahalanobis2, needed_level, knn_distance,
                           knn_percentile, kept, item_position) VALUES
    ('crop_generated', 'job_filtered', 'map/1', 0.5, -1, 2, 3.5, 0.9, 0.1, 50, true, 0);
