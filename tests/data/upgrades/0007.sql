INSERT INTO webhooks (id, url, events, created_by) VALUES
    ('wh_one', 'https://lims.example.org/hook', '{job.ended}', 'lims');

INSERT INTO webhook_deliveries (id, webhook_id, event, subject, payload, status, attempts, ended_at) VALUES
    ('msg_waiting', 'wh_one', 'job.ended', 'job_ended', '{"type": "job.ended"}', 'pending', 1, NULL),
    ('msg_gone', 'wh_one', 'job.ended', 'job_failed', '{"type": "job.ended"}', 'delivered', 1, now());
