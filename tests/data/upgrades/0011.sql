UPDATE jobs SET turns_lost = 2 WHERE id = 'job_traced';
