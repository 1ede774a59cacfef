-- Samples that another engine counted by value: a series has rows here or in usage_samples.
ALTER TABLE usage_series ADD COLUMN binned BOOLEAN DEFAULT false;

CREATE TABLE usage_histograms (
    series_id BIGINT NOT NULL,
    bucket BIGINT NOT NULL,
    samples BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    low DOUBLE NOT NULL,
    high DOUBLE NOT NULL
);
