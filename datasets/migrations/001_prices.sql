-- Prices are observed, never overwritten: each row is one offer at one price, with its date and source.
CREATE SEQUENCE price_refresh_numbers;
CREATE SEQUENCE price_observation_numbers;

-- One row per refresh that came to its end; written with its observations in one transaction.
CREATE TABLE price_refreshes (
    refresh_id BIGINT PRIMARY KEY DEFAULT nextval('price_refresh_numbers'),
    source_name VARCHAR NOT NULL,
    region VARCHAR,
    refreshed_at TIMESTAMP NOT NULL,
    snapshot_digest VARCHAR,
    report VARCHAR NOT NULL
);

CREATE TABLE price_observations (
    observation_id BIGINT PRIMARY KEY DEFAULT nextval('price_observation_numbers'),
    refresh_id BIGINT NOT NULL,
    source_name VARCHAR NOT NULL,
    offer_id VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    instance_type VARCHAR NOT NULL,
    gpu VARCHAR NOT NULL,
    gpu_count DOUBLE NOT NULL CHECK (gpu_count > 0),
    vcpus DOUBLE,
    memory_gib DOUBLE,
    region VARCHAR NOT NULL,
    purchase_option VARCHAR NOT NULL,
    usd_per_hour DECIMAL(20, 10) CHECK (usd_per_hour > 0),
    price_covers VARCHAR NOT NULL,
    observed_on DATE NOT NULL,
    date_basis VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    notes VARCHAR NOT NULL,
    no_price_reason VARCHAR,
    CHECK ((usd_per_hour IS NULL) = (no_price_reason IS NOT NULL))
);

-- The newest observation of every offer; of two from one day the one recorded later.
CREATE VIEW current_prices AS
SELECT * FROM price_observations
QUALIFY row_number() OVER (PARTITION BY offer_id ORDER BY observed_on DESC, observation_id DESC) = 1;
