"""The SQL behind ``compare``: loads judged by SLO and demand, the best of each shape priced and ranked.

An offer's price multiplies the cost of every configuration of one shape alike, so the best configuration of a
shape is the same on each offer: the millions of configurations are reduced before they meet the offers.
"""

# A load's part of each figure; the offer's part is in FIGURES below.
PARTS = {
    "usd_per_request": "replicas / served_requests_per_s",
    "usd_per_mtok": "replicas / served_requests_per_s / (input_tokens + output_tokens)",
    "tokens_per_usd": "replicas / served_requests_per_s / (input_tokens + output_tokens)",
    "usd_per_mtok_output": "replicas / served_requests_per_s * (1 - prefill_share) / output_tokens",
    "kwh_per_mtok": "gpus * replicas / served_requests_per_s / (input_tokens + output_tokens)",
    "ttft_s": "ttft_s",
    "tpot_s": "tpot_s",
    "e2e_s": "e2e_s",
}
FIGURES = {name: name for name in PARTS} | {"tokens_per_usd": "usd_per_mtok"}

# A target is compared with the expected latency; the far end of the interval says how safe that is.
DEMANDED = """
CREATE OR REPLACE TEMP VIEW demanded AS
SELECT l.*, d.* EXCLUDE (deployment),
    ttft_s + (output_tokens - 1) * tpot_s AS e2e_s,
    1 / tpot_s AS interactivity_tokens_per_s,
    CASE WHEN NOT isnan(demand_requests_per_s) THEN ceil(demand_requests_per_s / requests_per_s)
        WHEN NOT isnan(demand_concurrency) THEN ceil(demand_concurrency / concurrency)
        ELSE 1 END AS replicas,
    CASE WHEN NOT isnan(demand_requests_per_s) THEN demand_requests_per_s
        WHEN NOT isnan(demand_concurrency) THEN demand_concurrency / concurrency * requests_per_s
        ELSE requests_per_s END AS served_requests_per_s,
    CASE WHEN ttft_s > slo_ttft_s THEN 'TTFT' WHEN tpot_s > slo_tpot_s THEN 'TPOT'
        WHEN e2e_s > slo_e2e_s THEN 'end to end' END AS missed,
    ttft_high_s <= slo_ttft_s AND tpot_high_s <= slo_tpot_s
        AND ttft_high_s + (output_tokens - 1) * tpot_high_s <= slo_e2e_s AS keeps_slo_surely
FROM loads AS l JOIN deployments AS d USING (deployment)
"""

JUDGED = """
CREATE OR REPLACE TEMP TABLE judged AS
SELECT load_id, deployment, case_index, cell, shape, gpu, ttft_s, tpot_s, e2e_s, missed, {part} AS part,
    replicas / served_requests_per_s * (1 - prefill_share) / output_tokens AS output_part
FROM demanded
"""

BEST = """
CREATE OR REPLACE TEMP TABLE best AS
SELECT cell, any_value(shape) AS shape, min(load_id) AS load_id
FROM judged JOIN (SELECT cell, min(part) AS part FROM judged WHERE missed IS NULL GROUP BY cell)
    USING (cell, part)
WHERE missed IS NULL GROUP BY cell
"""

# Of all loads within two per cent of each other in speed the cheapest, on the cheapest offer of its shape;
# of these the ones that no other load on the same GPU beats in both cost and speed.
FRONTIER = """
CREATE OR REPLACE TEMP TABLE frontier AS
WITH cheapest AS (
    SELECT shape, first(offer_id ORDER BY rate, offer_id) AS offer_id, min(rate) AS rate
    FROM rated
    WHERE NOT set_aside OR (SELECT coalesce(bool_and(set_aside), true) FROM best JOIN rated USING (shape))
    GROUP BY shape
),
costed AS (
    SELECT load_id, offer_id, case_index, gpu, tpot_s, output_part * rate AS cost,
        round(ln(tpot_s) * 50) AS speed_step
    FROM judged JOIN cheapest USING (shape)
),
thinned AS (
    SELECT case_index, gpu, min(cost) AS cost,
        unnest(arg_min({{load_id: load_id, offer_id: offer_id, tpot_s: tpot_s}}, cost))
    FROM costed GROUP BY case_index, gpu, speed_step
)
SELECT load_id, offer_id FROM thinned
QUALIFY cost <= min(cost) OVER (
    PARTITION BY case_index, gpu ORDER BY tpot_s, cost ROWS UNBOUNDED PRECEDING)
"""

CHOSEN = "SELECT load_id FROM best UNION SELECT load_id FROM frontier"

# Prices are exact decimals; what divides them by an estimated speed is a double from here on.
RATED = """
CREATE OR REPLACE TEMP TABLE rated AS
SELECT r.shape, r.machines_per_replica, o.* EXCLUDE (offered_gpu, machine_usd_per_hour),
    CAST(r.usd_per_replica_hour AS DECIMAL(20, 10)) AS usd_per_replica_hour,
    CAST(o.machine_usd_per_hour AS DECIMAL(20, 10)) AS machine_usd_per_hour,
    CAST(r.usd_per_replica_hour AS DOUBLE) AS rate
FROM rates AS r JOIN offers AS o USING (offer_id)
"""

# Replicas that share a machine pay for their part of it, and for GPUs that nobody else can use.
# A replica that the demand does not fill costs the same and serves less.
PRICED = """
SELECT q.* EXCLUDE (shape, cell, deployment, loads, refusal, refusal_reason, missed),
    missed IS NULL AS keeps_slo,
    r.* EXCLUDE (shape, rate),
    replicas * rate / 3600 / served_requests_per_s AS usd_per_request,
    usd_per_request / (input_tokens + output_tokens) * 1e6 AS usd_per_mtok,
    usd_per_request * prefill_share * 1e6 / input_tokens AS usd_per_mtok_input,
    usd_per_request * (1 - prefill_share) * 1e6 / output_tokens AS usd_per_mtok_output,
    usd_per_mtok_output * output_tokens_per_s / output_tokens_per_s_high AS usd_per_mtok_output_low,
    usd_per_mtok_output * output_tokens_per_s / output_tokens_per_s_low AS usd_per_mtok_output_high,
    (input_tokens + output_tokens) / usd_per_request AS tokens_per_usd,
    CASE WHEN NOT isnan(gpu_kw) THEN gpus * replicas * gpu_kw
        / (served_requests_per_s * 3600 * (input_tokens + output_tokens)) * 1e6 END AS kwh_per_mtok
FROM {chosen} AS c JOIN demanded AS q USING (load_id) JOIN rated AS r ON {offered}
"""

# Decimals leave as text: a frame would make doubles of them.
EXACT = """
SELECT * REPLACE (
    CAST(machine_usd_per_hour AS VARCHAR) AS machine_usd_per_hour,
    CAST(usd_per_replica_hour AS VARCHAR) AS usd_per_replica_hour
) FROM ({priced})
"""

RANKED = """
WITH best_of_offer AS (
    FROM ({priced})
    QUALIFY row_number() OVER (PARTITION BY case_index, offer_id {each_size}
        ORDER BY {figure} NULLS LAST, usd_per_request, gpus, load_id) = 1
)
SELECT * EXCLUDE (load_id), usd_per_mtok_output <= min(usd_per_mtok_output) OVER (
    PARTITION BY case_index, set_aside ORDER BY tpot_s, usd_per_mtok_output ROWS UNBOUNDED PRECEDING
) AS pareto
FROM best_of_offer ORDER BY set_aside, {figure} NULLS LAST, usd_per_request, offer_id
"""

POINTS = """
SELECT * EXCLUDE (load_id), usd_per_mtok_output <= min(usd_per_mtok_output) OVER (
    PARTITION BY case_index ORDER BY tpot_s, usd_per_mtok_output ROWS UNBOUNDED PRECEDING) AS pareto
FROM ({priced}) ORDER BY case_index, gpu, tpot_s
"""

TRIED = """
SELECT d.case_index, d.model, d.gpu, d.gpus, d.tp, d.pp, d.ep, d.engine, d.weights_dtype, d.kv_dtype, d.loads,
    coalesce(j.kept, 0) AS kept,
    coalesce(d.refusal, CASE WHEN j.kept = 0 THEN 'misses the ' || j.missed || ' target' ELSE 'serves it' END)
        AS outcome,
    coalesce(d.refusal_reason, CASE WHEN j.kept = 0 THEN printf(
        'at best TTFT %.0f ms, TPOT %.1f ms, end to end %.1f s', j.ttft_s * 1000, j.tpot_s * 1000, j.e2e_s)
        ELSE '' END) AS reason
FROM deployments AS d LEFT JOIN (
    SELECT deployment, count(*) FILTER (missed IS NULL) AS kept, mode(missed) AS missed,
        min(ttft_s) AS ttft_s, min(tpot_s) AS tpot_s, min(e2e_s) AS e2e_s
    FROM judged GROUP BY deployment
) AS j USING (deployment)
ORDER BY d.deployment
"""

OUTCOMES = """
SELECT outcome, CAST(sum(configurations) AS BIGINT) AS configurations FROM (
    SELECT coalesce('misses the ' || missed || ' target', 'serves it') AS outcome, count(*) AS configurations
    FROM judged GROUP BY missed
    UNION ALL
    SELECT refusal, sum(loads) FROM deployments WHERE refusal IS NOT NULL GROUP BY refusal
)
GROUP BY outcome ORDER BY outcome = 'serves it' DESC, configurations DESC, outcome
"""

REFUSED = """
WITH asked AS (
    SELECT c.case_index, o.* FROM offers AS o, (SELECT DISTINCT case_index FROM deployments) AS c
),
nearest AS (
    SELECT j.case_index, r.offer_id, min(j.tpot_s) AS tpot_s, min(j.ttft_s) AS ttft_s,
        min(j.e2e_s) AS e2e_s, bool_or(j.kept) AS kept
    FROM rated AS r JOIN (
        SELECT case_index, shape, min(ttft_s) AS ttft_s, min(tpot_s) AS tpot_s, min(e2e_s) AS e2e_s,
            bool_or(missed IS NULL) AS kept
        FROM judged GROUP BY case_index, shape
    ) AS j USING (shape)
    GROUP BY ALL
),
misfit AS (
    SELECT a.case_index, a.offer_id,
        unnest(arg_max({{refusal: d.refusal, refusal_reason: d.refusal_reason}},
            {{nearest: d.refusal = 'does not fit', gpus: d.gpus}}))
    FROM asked AS a JOIN deployments AS d
        ON d.case_index = a.case_index AND d.gpu = a.offered_gpu AND d.gpus <= a.gpu_count
    WHERE d.refusal IS NOT NULL
    GROUP BY a.case_index, a.offer_id
)
SELECT a.case_index, a.offer_id, a.provider, a.instance_type, a.region, a.purchase_option,
    a.offered_gpu AS gpu, a.gpu_count,
    CASE
        WHEN a.machine_usd_per_hour IS NULL THEN 'no public price'
        WHEN a.gpu_count < 1 THEN 'a fraction of a GPU'
        WHEN a.price_covers = 'gpu_only' AND NOT {partial_prices} THEN 'a price without CPU and memory'
        WHEN n.offer_id IS NOT NULL THEN 'misses the latency target'
        ELSE coalesce(m.refusal, 'too few GPUs on a machine')
    END AS kind,
    CASE kind
        WHEN 'no public price' THEN 'no public price: ' || a.no_price_reason
        WHEN 'a fraction of a GPU' THEN kind
        WHEN 'a price without CPU and memory'
            THEN 'the price leaves out CPU and memory, which are billed on top'
        WHEN 'misses the latency target' THEN printf(
            'misses the latency target: at best TTFT %.0f ms, TPOT %.1f ms, end to end %.1f s',
            n.ttft_s * 1000, n.tpot_s * 1000, n.e2e_s)
        ELSE coalesce(m.refusal_reason, 'none of the parallel sizes fits on one such machine')
    END AS reason
FROM asked AS a
LEFT JOIN nearest AS n USING (case_index, offer_id)
LEFT JOIN misfit AS m USING (case_index, offer_id)
WHERE NOT coalesce(n.kept, false)
ORDER BY a.case_index, a.offer_id
"""
