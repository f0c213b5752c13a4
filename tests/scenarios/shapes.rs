//! The shapes that every story is told in.

use testkit::{Builder, Shape as Nodes};

/// Which services share a process, on which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Everything in one process, on SQLite: what `boxoffice serve` runs.
    MonolithOnSqlite,
    /// Everything in one process, on PostgreSQL.
    MonolithOnPostgres,
    /// A process for each service, on PostgreSQL.
    SplitOnPostgres,
    /// Three processes, on SQLite.
    ThreeGroupsOnSqlite,
    /// Two processes for each service, on PostgreSQL, Kafka and Redis.
    TwoReplicasOnKafka,
}

impl Shape {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// Whether its services keep their state in PostgreSQL.
    pub fn is_on_postgres(self) -> bool {
        matches!(self, Self::MonolithOnPostgres | Self::SplitOnPostgres | Self::TwoReplicasOnKafka)
    }

    /// Whether events travel over Kafka, and Redis is what its replicas share.
    pub fn is_on_kafka(self) -> bool {
        self == Self::TwoReplicasOnKafka
    }

    /// Describes a sandbox with nodes of this shape.
    pub fn nodes(self, builder: Builder) -> Builder {
        let replicas = if self.is_on_kafka() { 2 } else { 1 };
        builder.replicas(replicas).shape(match self {
            Self::MonolithOnSqlite | Self::MonolithOnPostgres => Nodes::Monolith,
            Self::SplitOnPostgres | Self::TwoReplicasOnKafka => Nodes::Split,
            Self::ThreeGroupsOnSqlite => Nodes::Groups(vec![
                vec!["gateway", "identity", "catalog", "notifications", "reporting"],
                vec!["inventory", "orders"],
                vec!["payments", "tickets"],
            ]),
        })
    }
}

/// Makes a test of each story in each shape: `file house { story story }`. The house is `shared`
/// by all stories that leave the clock and the nodes alone; otherwise a story is told `alone`.
macro_rules! in_every_shape {
    ($($stories:tt)*) => {
        $crate::shapes::in_shape! { monolith_on_sqlite MonolithOnSqlite $($stories)* }
        $crate::shapes::in_shape! { monolith_on_postgres MonolithOnPostgres $($stories)* }
        $crate::shapes::in_shape! { split_on_postgres SplitOnPostgres $($stories)* }
        $crate::shapes::in_shape! { three_groups_on_sqlite ThreeGroupsOnSqlite $($stories)* }
        $crate::shapes::in_shape! { two_replicas_on_kafka TwoReplicasOnKafka $($stories)* }
    };
}

macro_rules! in_shape {
    ($name:ident $shape:ident $($file:ident $house:ident { $($story:ident)+ })+) => {
        mod $name {
            $(mod $file {
                use $crate::{house, shapes::Shape, stories::$file};

                $(#[test]
                fn $story() {
                    house::$house(Shape::$shape, async |house| $file::$story(house).await);
                })+
            })+
        }
    };
}

pub(crate) use {in_every_shape, in_shape};
