//! Operations on tables as such: `DescribeTable`, `CreateTable`, `DeleteTable`, and the many sides of `UpdateTable`.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types as sdk;

use super::{Description, Dynamo, Result, convert, found, some_list};
use crate::schema::{
    AttributeType, Capacity, Encryption, Index, Limits, Policy, Stream, Table, TableClass,
    Throughput, Warm,
};

impl Dynamo {
    /// Describes a table; `None` where there is none.
    ///
    /// # Errors
    /// Any but "not found".
    pub async fn describe_table(&self, name: &str) -> Result<Option<Description>> {
        let call = self.client.describe_table().table_name(name).send();
        let described = found(self.send("DescribeTable", name, call).await)?;
        Ok(described.and_then(|output| output.table).map(super::describe::description))
    }

    /// Creates a table with everything that `CreateTable` takes, and these tags.
    ///
    /// # Errors
    /// [`Class::Exists`](super::Class::Exists) where the name is taken.
    pub async fn create_table(&self, table: &Table, tags: &BTreeMap<String, String>) -> Result<()> {
        let global = table.global_indexes.values().map(convert::global_index_request);
        let local = table.local_indexes.values().map(convert::local_index_request);
        let mut request = self
            .client
            .create_table()
            .table_name(&table.name)
            .set_key_schema(Some(convert::key_elements(&table.keys)))
            .set_attribute_definitions(Some(convert::attribute_definitions(&table.attributes)))
            .set_global_secondary_indexes(some_list(global.collect()))
            .set_local_secondary_indexes(some_list(local.collect()))
            .set_table_class(table.class.map(convert::class_request))
            .set_deletion_protection_enabled(table.settings.deletion_protection)
            .set_warm_throughput(table.warm.map(convert::warm_request))
            .set_tags(Some(convert::tag_requests(tags)));
        request = match table.capacity {
            Capacity::Provisioned(throughput) => request
                .billing_mode(sdk::BillingMode::Provisioned)
                .provisioned_throughput(convert::throughput_request(throughput)),
            Capacity::OnDemand(limits) => request
                .billing_mode(sdk::BillingMode::PayPerRequest)
                .set_on_demand_throughput(convert::first_limits_request(limits)),
        };
        if let Some(stream) = table.stream.filter(|stream| *stream != Stream::Off) {
            request = request.stream_specification(convert::stream_request(stream));
        }
        if let Some(encryption @ Encryption::Kms(_)) = &table.encryption {
            request = request.sse_specification(convert::encryption_request(encryption));
        }
        if let Some(Policy::Document(policy)) = &table.settings.policy {
            request = request.resource_policy(policy.json());
        }
        self.send("CreateTable", &table.name, request.send()).await.map(drop)
    }

    /// Deletes a table. One that is gone already is no error.
    ///
    /// # Errors
    /// [`Class::Busy`](super::Class::Busy) while something is going on with it.
    pub async fn delete_table(&self, name: &str) -> Result<()> {
        let call = self.client.delete_table().table_name(name).send();
        found(self.send("DeleteTable", name, call).await).map(drop)
    }

    async fn update(&self, name: &str, request: UpdateTableFluentBuilder) -> Result<()> {
        self.send("UpdateTable", name, request.table_name(name).send()).await.map(drop)
    }

    /// Switches the billing mode; a switch to provisioned names the throughput of every index in the same call.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_billing(
        &self,
        name: &str,
        capacity: Capacity,
        indexes: &BTreeMap<String, Capacity>,
    ) -> Result<()> {
        let request = self.client.update_table();
        let request = match capacity {
            Capacity::Provisioned(throughput) => request
                .billing_mode(sdk::BillingMode::Provisioned)
                .provisioned_throughput(convert::throughput_request(throughput))
                .set_global_secondary_index_updates(index_capacities(indexes)),
            Capacity::OnDemand(limits) => request
                .billing_mode(sdk::BillingMode::PayPerRequest)
                .set_on_demand_throughput(convert::first_limits_request(limits)),
        };
        self.update(name, request).await
    }

    /// Changes provisioned throughput of the table, of indexes, or of both.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_throughput(
        &self,
        name: &str,
        table: Option<Throughput>,
        indexes: &BTreeMap<String, Capacity>,
    ) -> Result<()> {
        let request = self
            .client
            .update_table()
            .set_provisioned_throughput(table.map(convert::throughput_request))
            .set_global_secondary_index_updates(index_capacities(indexes));
        self.update(name, request).await
    }

    /// Changes the on-demand limits of the table.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_limits(&self, name: &str, limits: Limits) -> Result<()> {
        let limits = convert::limits_request(limits);
        self.update(name, self.client.update_table().on_demand_throughput(limits)).await
    }

    /// Changes the on-demand limits of one index.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_index_limits(&self, name: &str, index: &str, limits: Limits) -> Result<()> {
        let update = convert::index_capacity_request(index, Capacity::OnDemand(limits));
        self.update(name, self.client.update_table().global_secondary_index_updates(update)).await
    }

    /// Adds a global index; `attributes` are the types of the table's keys and of the index's.
    ///
    /// # Errors
    /// [`Class::Busy`](super::Class::Busy) while another index of the table is made or removed.
    pub async fn create_index(
        &self,
        name: &str,
        index: &Index,
        attributes: &BTreeMap<String, AttributeType>,
    ) -> Result<()> {
        let request = self
            .client
            .update_table()
            .set_attribute_definitions(Some(convert::attribute_definitions(attributes)))
            .global_secondary_index_updates(convert::create_index_request(index));
        self.update(name, request).await
    }

    /// Removes a global index.
    ///
    /// # Errors
    /// [`Class::Missing`](super::Class::Missing) where there is none.
    pub async fn delete_index(&self, name: &str, index: &str) -> Result<()> {
        let update = convert::delete_index_request(index);
        self.update(name, self.client.update_table().global_secondary_index_updates(update)).await
    }

    /// Turns the stream on or off.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_stream(&self, name: &str, stream: Stream) -> Result<()> {
        let stream = convert::stream_request(stream);
        self.update(name, self.client.update_table().stream_specification(stream)).await
    }

    /// Changes the encryption key.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_encryption(&self, name: &str, encryption: &Encryption) -> Result<()> {
        let encryption = convert::encryption_request(encryption);
        self.update(name, self.client.update_table().sse_specification(encryption)).await
    }

    /// Changes the table class.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_class(&self, name: &str, class: TableClass) -> Result<()> {
        let class = convert::class_request(class);
        self.update(name, self.client.update_table().table_class(class)).await
    }

    /// Raises the warm throughput of the table.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_warm(&self, name: &str, warm: Warm) -> Result<()> {
        let warm = convert::warm_request(warm);
        self.update(name, self.client.update_table().warm_throughput(warm)).await
    }

    /// Raises the warm throughput of one index.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_index_warm(&self, name: &str, index: &str, warm: Warm) -> Result<()> {
        let update = convert::index_warm_request(index, warm);
        self.update(name, self.client.update_table().global_secondary_index_updates(update)).await
    }

    /// Makes a replica in a region. DynamoDB turns the stream on for it.
    ///
    /// # Errors
    /// [`Class::Busy`](super::Class::Busy) while another replica comes or goes.
    pub async fn create_replica(
        &self,
        name: &str,
        region: &str,
        key: Option<&str>,
        class: Option<TableClass>,
    ) -> Result<()> {
        let create = convert::create_replica_request(region, key, class);
        self.update(name, self.client.update_table().replica_updates(create)).await
    }

    /// Changes the table class of a replica.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_replica_class(
        &self,
        name: &str,
        region: &str,
        class: TableClass,
    ) -> Result<()> {
        let update = convert::replica_class_request(region, class);
        self.update(name, self.client.update_table().replica_updates(update)).await
    }

    /// Removes a replica, with the items that it holds.
    ///
    /// # Errors
    /// [`Class::Blocked`](super::Class::Blocked) for a day after another replica was made from it.
    pub async fn delete_replica(&self, name: &str, region: &str) -> Result<()> {
        let delete = convert::delete_replica_request(region);
        self.update(name, self.client.update_table().replica_updates(delete)).await
    }

    /// Turns deletion protection on or off.
    ///
    /// # Errors
    /// As classified.
    pub async fn set_deletion_protection(&self, name: &str, on: bool) -> Result<()> {
        self.update(name, self.client.update_table().deletion_protection_enabled(on)).await
    }
}

fn index_capacities(
    indexes: &BTreeMap<String, Capacity>,
) -> Option<Vec<sdk::GlobalSecondaryIndexUpdate>> {
    let update =
        |(name, capacity): (&String, &Capacity)| convert::index_capacity_request(name, *capacity);
    some_list(indexes.iter().map(update).collect())
}
