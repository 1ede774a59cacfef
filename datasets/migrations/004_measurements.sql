-- Own measurements: runs of load generators against the user's own deployments. A file lands whole or not at all.
CREATE SEQUENCE measurement_file_numbers;

CREATE TABLE measurement_files (
    file_id BIGINT PRIMARY KEY DEFAULT nextval('measurement_file_numbers'),
    digest VARCHAR NOT NULL UNIQUE,
    file_name VARCHAR NOT NULL,
    tool VARCHAR NOT NULL,
    imported_at TIMESTAMP NOT NULL
);

-- Latencies in seconds: the median where the tool states one, else the mean. NULL is "not measured".
CREATE TABLE measurements (
    file_id BIGINT NOT NULL,
    run_number INTEGER NOT NULL,
    model VARCHAR NOT NULL,
    gpu VARCHAR NOT NULL,
    engine VARCHAR NOT NULL,
    engine_version VARCHAR,
    tp INTEGER NOT NULL CHECK (tp > 0),
    pp INTEGER NOT NULL CHECK (pp > 0),
    dp INTEGER NOT NULL CHECK (dp > 0),
    ep INTEGER NOT NULL CHECK (ep > 0),
    weights_dtype VARCHAR NOT NULL,
    kv_dtype VARCHAR NOT NULL,
    input_tokens DOUBLE NOT NULL CHECK (input_tokens >= 1),
    output_tokens DOUBLE NOT NULL CHECK (output_tokens >= 1),
    concurrency DOUBLE CHECK (concurrency > 0),
    request_rate_per_s DOUBLE CHECK (request_rate_per_s > 0),
    at_once BOOLEAN NOT NULL,
    requests BIGINT,
    ttft_s DOUBLE CHECK (ttft_s > 0),
    tpot_s DOUBLE CHECK (tpot_s > 0),
    output_tokens_per_s DOUBLE CHECK (output_tokens_per_s > 0),
    measured_at TIMESTAMP,
    tool_version VARCHAR,
    published_model VARCHAR,
    CHECK ((concurrency IS NULL) <> (request_rate_per_s IS NULL)),
    CHECK (ttft_s IS NOT NULL OR tpot_s IS NOT NULL OR output_tokens_per_s IS NOT NULL),
    PRIMARY KEY (file_id, run_number)
);
