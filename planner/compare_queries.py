"""The SQL behind ``compare``: loads judged by the SLO and the demand, priced by the offers, ranked."""

# A target is compared with the expected latency; the far end of the interval says how safe that is.
JUDGED = """
CREATE OR REPLACE TEMP VIEW judged AS
SELECT *,
    ttft_s + (output_tokens - 1) * tpot_s AS e2e_s,
    1 / tpot_s AS interactivity_tokens_per_s,
    coalesce(ceil(demand_requests_per_s / requests_per_s), ceil(demand_concurrency / concurrency), 1)
        AS replicas,
    coalesce(demand_requests_per_s, demand_concurrency / concurrency * requests_per_s, requests_per_s)
        AS served_requests_per_s,
    ttft_s <= slo_ttft_s AND tpot_s <= slo_tpot_s AND e2e_s <= slo_e2e_s AS keeps_slo,
    ttft_high_s <= slo_ttft_s AND tpot_high_s <= slo_tpot_s
        AND ttft_high_s + (output_tokens - 1) * tpot_high_s <= slo_e2e_s AS keeps_slo_surely
FROM loads
"""

# Whole machines are paid for: replicas share one, and GPUs left over are paid for by those that run.
# A replica that the demand does not fill costs the same and serves less.
PRICED = """
CREATE OR REPLACE TEMP VIEW priced AS
SELECT j.*, o.* EXCLUDE (gpu),
    o.machine_usd_per_hour / (floor(o.gpu_count)::INTEGER // j.gpus) AS usd_per_replica_hour,
    replicas * usd_per_replica_hour AS usd_per_hour,
    usd_per_hour / 3600 / served_requests_per_s AS usd_per_request,
    usd_per_request * j.prefill_share * 1e6 / j.input_tokens AS usd_per_mtok_input,
    usd_per_request * (1 - j.prefill_share) * 1e6 / j.output_tokens AS usd_per_mtok_output,
    usd_per_mtok_output * j.output_tokens_per_s / j.output_tokens_per_s_high AS usd_per_mtok_output_low,
    usd_per_mtok_output * j.output_tokens_per_s / j.output_tokens_per_s_low AS usd_per_mtok_output_high,
    (j.input_tokens + j.output_tokens) / usd_per_request AS tokens_per_usd
FROM judged AS j JOIN offers AS o USING (gpu)
WHERE o.machine_usd_per_hour IS NOT NULL AND floor(o.gpu_count) >= j.gpus
    AND (o.price_covers <> 'gpu_only' OR {partial_prices})
"""

RANKED = """
WITH best AS (
    SELECT * FROM priced WHERE keeps_slo
    QUALIFY row_number() OVER (PARTITION BY case_index, offer_id ORDER BY {figure}, gpus, concurrency) = 1
)
SELECT *, usd_per_mtok_output <= min(usd_per_mtok_output) OVER (
    PARTITION BY case_index ORDER BY tpot_s, usd_per_mtok_output ROWS UNBOUNDED PRECEDING) AS pareto
FROM best ORDER BY {figure}, offer_id
"""

POINTS = """
SELECT *, usd_per_mtok_output <= min(usd_per_mtok_output) OVER (
    PARTITION BY case_index ORDER BY tpot_s, usd_per_mtok_output ROWS UNBOUNDED PRECEDING) AS pareto
FROM (
    FROM priced QUALIFY row_number() OVER (
        PARTITION BY case_index, gpu, gpus, weights_dtype, concurrency
        ORDER BY usd_per_mtok_output, offer_id) = 1
)
ORDER BY case_index, gpu, gpus, weights_dtype, concurrency
"""

REFUSED = """
WITH asked AS (
    SELECT c.case_index, o.* FROM offers AS o, (SELECT DISTINCT case_index FROM tried) AS c
),
nearest AS (
    SELECT case_index, offer_id, min(tpot_s) AS tpot_s, min(ttft_s) AS ttft_s, min(e2e_s) AS e2e_s,
        bool_or(keeps_slo) AS keeps_slo
    FROM priced GROUP BY ALL
),
misfit AS (
    SELECT a.case_index, a.offer_id, arg_max(m.reason, m.gpus) AS reason
    FROM asked AS a JOIN misfits AS m
        ON m.case_index = a.case_index AND m.gpu = a.gpu AND m.gpus <= a.gpu_count
    GROUP BY ALL
)
SELECT a.case_index, a.offer_id, a.provider, a.instance_type, a.region, a.purchase_option, a.gpu, a.gpu_count,
    CASE
        WHEN a.machine_usd_per_hour IS NULL THEN 'no public price: ' || a.no_price_reason
        WHEN a.gpu_count < 1 THEN 'a fraction of a GPU'
        WHEN a.price_covers = 'gpu_only' AND NOT {partial_prices}
            THEN 'the price leaves out CPU and memory, which are billed on top'
        WHEN n.offer_id IS NOT NULL THEN printf(
            'misses the latency target: at best TTFT %.0f ms, TPOT %.1f ms, end to end %.1f s',
            n.ttft_s * 1000, n.tpot_s * 1000, n.e2e_s)
        ELSE coalesce(m.reason, 'none of the tensor parallel sizes fits on one such machine')
    END AS reason
FROM asked AS a
LEFT JOIN nearest AS n USING (case_index, offer_id)
LEFT JOIN misfit AS m USING (case_index, offer_id)
WHERE NOT coalesce(n.keeps_slo, false)
ORDER BY a.case_index, a.offer_id
"""
