DROP TABLE sandbox_refunds;
DROP TABLE sandbox_charges;
DROP TABLE refunds;
DROP TABLE payments;
