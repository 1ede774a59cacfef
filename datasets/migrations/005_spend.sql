-- What a bill says of the machine behind a line, what people said of resources and how much they mean to spend.
ALTER TABLE bill_lines ADD COLUMN gpu_count DOUBLE;
ALTER TABLE bill_lines ADD COLUMN service_category VARCHAR;

-- A resource of the bill -> a machine or GPU of the telemetry; without a target the resource holds no GPU.
CREATE TABLE resource_links (
    resource VARCHAR NOT NULL,
    target VARCHAR
);

CREATE TABLE budgets (
    currency VARCHAR PRIMARY KEY,
    amount_per_month DECIMAL(30, 10) NOT NULL
);
