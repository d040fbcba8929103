INSERT INTO jobs (id, kind, status, params, inputs, artifacts, queue, max_attempts, lease_token, lease_expires_at,
                  worker, attempt, started_at, claimed_at, traceparent) VALUES
    ('job_traced', 'diagnostic', 'running', '{}', '{}', '{}', 'cpu', 3, 'third', now(), 'host:3', 1, now(), now(),
     '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01');
