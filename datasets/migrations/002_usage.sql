-- What users uploaded: one row per import; undoing it removes every row that carries its number.
CREATE SEQUENCE import_numbers;

CREATE TABLE imports (
    import_id BIGINT PRIMARY KEY DEFAULT nextval('import_numbers'),
    digest VARCHAR NOT NULL UNIQUE,
    file_name VARCHAR NOT NULL,
    format VARCHAR NOT NULL,
    is_sample BOOLEAN NOT NULL DEFAULT false,
    imported_at TIMESTAMP NOT NULL,
    first_at TIMESTAMP,
    last_at TIMESTAMP,
    report VARCHAR NOT NULL
);

CREATE TABLE usage_series (
    series_id BIGINT PRIMARY KEY,
    import_id BIGINT NOT NULL,
    metric VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,
    entity_kind VARCHAR NOT NULL,
    entity VARCHAR NOT NULL,
    replica VARCHAR,
    gpu_uuid VARCHAR,
    gpu_index VARCHAR,
    gpu_name VARCHAR,
    mig_id VARCHAR,
    mig_profile VARCHAR,
    host VARCHAR,
    instance_id VARCHAR,
    instance_type VARCHAR,
    namespace VARCHAR,
    pod VARCHAR,
    container VARCHAR,
    endpoint VARCHAR,
    engine VARCHAR,
    model VARCHAR,
    team VARCHAR,
    samples BIGINT NOT NULL,
    first_at TIMESTAMP NOT NULL,
    last_at TIMESTAMP NOT NULL,
    step_s DOUBLE,
    coverage DOUBLE,
    irregular BOOLEAN NOT NULL
);

CREATE TABLE usage_samples (
    series_id BIGINT NOT NULL,
    measured_at TIMESTAMP NOT NULL,
    value DOUBLE NOT NULL
);

CREATE TABLE bill_lines (
    import_id BIGINT NOT NULL,
    line BIGINT NOT NULL,
    period_start TIMESTAMP NOT NULL,
    period_end TIMESTAMP NOT NULL,
    charge_category VARCHAR NOT NULL,
    charge_class VARCHAR,
    commitment_status VARCHAR,
    commitment_id VARCHAR,
    description VARCHAR,
    service VARCHAR,
    region VARCHAR,
    resource_id VARCHAR,
    resource_name VARCHAR,
    instance_type VARCHAR,
    quantity DECIMAL(30, 10),
    quantity_unit VARCHAR,
    billed_cost DECIMAL(30, 10) NOT NULL,
    effective_cost DECIMAL(30, 10) NOT NULL,
    list_cost DECIMAL(30, 10),
    contracted_cost DECIMAL(30, 10),
    currency VARCHAR NOT NULL,
    account VARCHAR,
    team VARCHAR,
    tags VARCHAR NOT NULL
);

CREATE TABLE cost_allocations (
    import_id BIGINT NOT NULL,
    line BIGINT NOT NULL,
    period_start TIMESTAMP NOT NULL,
    period_end TIMESTAMP NOT NULL,
    cluster VARCHAR,
    node VARCHAR,
    namespace VARCHAR,
    controller VARCHAR,
    pod VARCHAR,
    container VARCHAR,
    team VARCHAR,
    is_idle BOOLEAN NOT NULL,
    gpu_hours DOUBLE,
    gpu_usage_ratio DOUBLE,
    gpu_cost DECIMAL(30, 10),
    total_cost DECIMAL(30, 10) NOT NULL
);

CREATE TABLE tool_advice (
    import_id BIGINT NOT NULL,
    line BIGINT NOT NULL,
    tool VARCHAR NOT NULL,
    resource VARCHAR NOT NULL,
    resource_id VARCHAR,
    resource_type VARCHAR NOT NULL,
    finding VARCHAR NOT NULL,
    current VARCHAR,
    recommended VARCHAR,
    risk VARCHAR,
    lookback_days DOUBLE,
    savings_usd_per_month DECIMAL(30, 10),
    detail VARCHAR NOT NULL
);
