//! How long each asynchronous change takes.

use std::time::Duration;

/// How long each asynchronous change takes, in plane time.
///
/// The defaults are what `aws-controllers-k8s/dynamodb-controller` measured against AWS
/// (`docs/api-quirks`), on small tables. The same change takes longer on big ones: set
/// [`index_backfill`](Self::index_backfill) to hours to see what a deploy does then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durations {
    /// A table without global indexes is `CREATING`.
    pub create: Duration,
    /// A table with global indexes is `CREATING`, and so are they.
    pub create_with_indexes: Duration,
    /// A table is `DELETING`.
    pub delete: Duration,
    /// The first switch of a table to the other billing mode.
    pub billing_first: Duration,
    /// A switch back to a billing mode that the table has had before.
    pub billing_again: Duration,
    /// A change of provisioned throughput, of a table or of an index, or of an index's on-demand limits.
    pub throughput: Duration,
    /// A new index is given its resources: the table is `UPDATING`, and `Backfilling` is false.
    pub index_allocation: Duration,
    /// A new index is filled: the table is `ACTIVE`, and `Backfilling` is true.
    pub index_backfill: Duration,
    /// An index is `DELETING`.
    pub index_delete: Duration,
    /// A stream is turned on or off.
    pub stream: Duration,
    /// A table is encrypted with another key; the table is `ACTIVE` meanwhile.
    pub encryption: Duration,
    /// After the key of a table was disabled, its items can still be had.
    pub key_cache: Duration,
    /// After the key of a table was disabled, the table becomes `INACCESSIBLE_ENCRYPTION_CREDENTIALS`.
    pub key_loss: Duration,
    /// A table class is changed.
    pub class: Duration,
    /// Warm throughput is raised for the first time; the table is `ACTIVE` meanwhile.
    pub warm_throughput: Duration,
    /// Warm throughput is raised again.
    pub warm_throughput_again: Duration,
    /// Expiry is `ENABLING` or `DISABLING`. AWS says that it can take an hour.
    pub time_to_live: Duration,
    /// After a table became `ACTIVE`, continuous backups are still being enabled.
    pub backups_enabling: Duration,
    /// A backup is `CREATING`.
    pub backup: Duration,
    /// A table is restored from a backup.
    pub restore: Duration,
    /// Nobody else may write the tags of a table, and the table cannot be deleted.
    pub tag_lock: Duration,
    /// Tags read are those from before a write.
    pub tag_lag: Duration,
    /// Contributor insights are `ENABLING`.
    pub insights_enable: Duration,
    /// Contributor insights are `DISABLING`.
    pub insights_disable: Duration,
    /// After a change of the resource policy, the table cannot be deleted.
    pub policy_pending: Duration,
    /// The resource policy read is the one from before.
    pub policy_lag: Duration,
    /// A Kinesis destination is `ENABLING`.
    pub kinesis_enable: Duration,
    /// A Kinesis destination is `UPDATING`.
    pub kinesis_update: Duration,
    /// A Kinesis destination is `DISABLING`.
    pub kinesis_disable: Duration,
    /// A replica was asked for and is not listed; the table is `UPDATING`.
    pub replica_announce: Duration,
    /// A replica of an empty table is `CREATING`.
    pub replica_create: Duration,
    /// A replica of a table with items is `CREATING`.
    pub replica_create_with_items: Duration,
    /// A replica is `UPDATING`, and so is the table.
    pub replica_update: Duration,
    /// A replica is about to go; the table is `UPDATING`.
    pub replica_withdraw: Duration,
    /// A replica is `DELETING`.
    pub replica_delete: Duration,
    /// A replica is not listed any more, and cannot be made again in its region.
    pub replica_remains: Duration,
}

impl Durations {
    /// No change takes any time: each is done when the next call comes in. Rules and quotas stay.
    #[must_use]
    pub fn none() -> Self {
        let none = Duration::ZERO;
        Self {
            create: none,
            create_with_indexes: none,
            delete: none,
            billing_first: none,
            billing_again: none,
            throughput: none,
            index_allocation: none,
            index_backfill: none,
            index_delete: none,
            stream: none,
            encryption: none,
            key_cache: none,
            key_loss: none,
            class: none,
            warm_throughput: none,
            warm_throughput_again: none,
            time_to_live: none,
            backups_enabling: none,
            backup: none,
            restore: none,
            tag_lock: none,
            tag_lag: none,
            insights_enable: none,
            insights_disable: none,
            policy_pending: none,
            policy_lag: none,
            kinesis_enable: none,
            kinesis_update: none,
            kinesis_disable: none,
            replica_announce: none,
            replica_create: none,
            replica_create_with_items: none,
            replica_update: none,
            replica_withdraw: none,
            replica_delete: none,
            replica_remains: none,
        }
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            create: Duration::from_secs(6),
            create_with_indexes: Duration::from_secs(18),
            delete: Duration::from_secs(5),
            billing_first: Duration::from_secs(130),
            billing_again: Duration::from_secs(4),
            throughput: Duration::from_secs(2),
            index_allocation: Duration::from_secs(40),
            index_backfill: Duration::from_secs(500),
            index_delete: Duration::from_secs(5),
            stream: Duration::from_secs(5),
            encryption: Duration::from_secs(22),
            key_cache: Duration::from_mins(5),
            key_loss: Duration::from_mins(40),
            class: Duration::from_secs(5),
            warm_throughput: Duration::from_secs(390),
            warm_throughput_again: Duration::from_secs(2),
            time_to_live: Duration::from_secs(2),
            backups_enabling: Duration::from_secs(3),
            backup: Duration::from_millis(50),
            restore: Duration::from_secs(190),
            tag_lock: Duration::from_millis(1700),
            tag_lag: Duration::from_secs(2),
            insights_enable: Duration::from_secs(2),
            insights_disable: Duration::from_secs(2),
            policy_pending: Duration::from_millis(1500),
            policy_lag: Duration::from_secs(2),
            kinesis_enable: Duration::from_secs(6),
            kinesis_update: Duration::from_secs(135),
            kinesis_disable: Duration::from_secs(2),
            replica_announce: Duration::from_secs(6),
            replica_create: Duration::from_secs(25),
            replica_create_with_items: Duration::from_secs(650),
            replica_update: Duration::from_secs(36),
            replica_withdraw: Duration::from_secs(36),
            replica_delete: Duration::from_secs(150),
            replica_remains: Duration::from_secs(20),
        }
    }
}
