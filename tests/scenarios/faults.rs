//! What breaks under an installation that sells, one fault a test. The services are processes of
//! their own, two replicas of each, on PostgreSQL, Kafka and Redis servers of the test's own. Each
//! test ends before the judge.

mod installation;
mod kafka;
mod postgres;
mod redis;
mod replicas;
mod replies;
