//! The codes of findings: what each is called, how heavy it is, and what `tablewright explain` has to say about it.

use std::fmt;
use std::str::FromStr;

use super::Severity;

/// Defines the codes, and what there is to say about each, from one table.
macro_rules! codes {
    ($($name:ident $text:literal $severity:ident $title:literal: $explanation:literal)*) => {
        /// What a finding is an instance of. Codes are never given another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`: ", $title, ".")] $name,)*
        }

        impl Code {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as it is written, `TW001`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What it is, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// How heavy it is where the declaration does not allow it.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }

            /// What happens, why it hurts, and what to do instead.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation),* }
            }
        }
    };
}

codes! {
    TableDeleted "TW001" Warning "a table is deleted and nothing keeps its items":
        "The table has left the declaration and its removal policy is delete. When the whole stack has succeeded it is \
         deleted with all its items. It has no point-in-time recovery, of which AWS would keep a last backup for 35 days, so \
         nothing brings the items back. Set RemovalPolicy: snapshot in a deploy of its own first, or retain where something \
         else may still read the table."
    TableBackedUp "TW002" Note "a table is deleted, and its items are kept in a backup":
        "The table has left the declaration. When the whole stack has succeeded it is backed up and deleted; the ARN of the \
         backup stays in the ledger, and with point-in-time recovery AWS keeps a last backup for 35 days by itself. What is \
         written between the backup and the deletion is lost. A backup is restored as a table of another name, without its \
         tags, scaling and time to live."
    IndexRemoved "TW003" Warning "a global index is removed":
        "The index goes when the whole stack has succeeded. A query that names it fails from that moment, also one of another \
         stack or of a report that nobody deploys. To come back it has to be filled anew, which takes minutes to hours. \
         CloudWatch tells whether it is still read: ConsumedReadCapacityUnits with the dimension GlobalSecondaryIndexName."
    StreamOff "TW004" Warning "a stream is turned off":
        "When the whole stack has succeeded no changes are recorded any more. Functions and pipelines that read the stream get \
         nothing from then on, without an error. A stream that is turned on again is another one, with another ARN, and what \
         happened meanwhile is in none. Make sure that nothing reads it; a reader of another stack does not stand against it."
    StreamReplaced "TW005" Warning "a stream is replaced by another one":
        "The view type of a stream cannot be changed, so it is turned off and on. The new one has another ARN, and begins \
         empty: event source mappings go on reading the old one, which is drained and then silent, and changes in the seconds \
         between are in neither. Pass the new ARN on (Data has it as <table>.StreamArn), so that CloudFormation makes the \
         mappings anew, and start them at TRIM_HORIZON."
    ExpiryOff "TW006" Warning "items no longer expire":
        "Time to live is turned off when the whole stack has succeeded. Items whose moment has passed stay, are read like all \
         others, and cost storage; where expiry serves a promise to delete somebody's data, it is no longer kept. DynamoDB \
         allows a change about once an hour, so it does not come back at once."
    ExpiryOn "TW007" Warning "items of a table that is in use begin to expire":
        "DynamoDB deletes every item whose attribute holds a moment in the past, in seconds since the epoch, in no particular \
         order and mostly within days; the deletions are in the stream and cannot be taken back. A number \
         in milliseconds is in the far future, so such items never expire; one that means something else, such as a duration \
         or a small counter, is long past (one more than five years past is ignored). Look at what the attribute holds first, \
         and turn point-in-time recovery on."
    RecoveryOff "TW008" Warning "point-in-time recovery is turned off":
        "When the whole stack has succeeded the continuous backup is gone, with all moments that it could restore, and turning \
         it on again begins with nothing. A migration that went wrong and was noticed late is then repaired by nothing. Make an \
         on-demand backup before, or leave it on."
    KeyGivenUp "TW009" Warning "a customer managed key no longer encrypts a table":
        "The table is encrypted with a key of AWS's from now on. Whoever may read the table may read its items, whatever the \
         policy of the old key says, and its use is no longer in the trail of that key. Do not delete the old key: backups \
         from before are still encrypted with it."
    ProtectionOff "TW010" Warning "deletion protection is turned off":
        "From now on DeleteTable works, from the console too, and a table that leaves the declaration goes by its removal \
         policy. That is right as the deploy before the one that removes it; as a lasting state it takes away the one guard \
         that holds whoever asks."
    ReplicaRemoved "TW011" Warning "a replica is removed":
        "When the whole stack has succeeded the copy of the table in that region is deleted. Whatever reads or writes there \
         fails, and the region takes part in no failover. To come back it has to be filled anew, which is paid for by the item."
    DestinationStopped "TW012" Warning "changes are no longer sent to a Kinesis stream":
        "What reads the stream gets nothing from then on, without an error, and changes until it is turned on again are never \
         sent. Where another stream takes its place, those of the seconds between are in neither."
    PolicyRemoved "TW013" Warning "a resource policy is removed":
        "When the whole stack has succeeded whoever had rights by the policy alone has none, such as roles of other accounts; \
         what the policy has denied is allowed to whoever has rights of his own."
    CostsChange "TW014" Note "the billing mode or the table class changes":
        "The same traffic is paid for in another way, and DynamoDB allows few changes: four switches to on demand in 24 hours, \
         two changes of class in 30 days. A switch to provisioned throttles what exceeds the figures, migrations of the same \
         deploy among it."
    SlowIndex "TW015" Warning "an index takes longer to fill than a deploy waits":
        "CloudFormation waits an hour for a custom resource. DynamoDB reads all items to fill an index, and by the size of the \
         table that takes longer; the deploy then fails, the index goes on being filled, and the next deploy waits for the \
         rest. With Completion: detach for the index the deploy does not wait; deploy code that reads it when the index is \
         active."
    LossWhileExpanding "TW020" Error "a migration takes data away before the code that reads it has gone, and nothing brings it back":
        "Migrations run before the new code goes live, so the old code still reads what this one takes away; and it keeps no \
         journal, so that a rollback of the stack leads back to code whose data is gone. Take data away in a later deploy, when \
         no code uses it, and say so with phase: contract. Or keep guard: journal, which costs four times the write units and \
         brings everything back. Where neither is needed, list the code under Allow."
    LossBeforeCode "TW021" Warning "a migration takes data away before the code that reads it has gone":
        "Migrations run before the new code goes live, so for a moment the old code reads items without what this one takes \
         away. Its journal brings everything back in a rollback, but does not help the code that runs meanwhile. Take data away \
         in a later deploy, when no code uses it, and say so with phase: contract."
    LossForGood "TW022" Warning "what a migration takes away is gone for good":
        "Nothing brings it back: the migration keeps no journal, and the table has, as far as can be seen, no point-in-time \
         recovery. Where it turns out that something still needed it, there is nothing to restore. Set guard: journal, which \
         keeps each item for 35 days, or turn point-in-time recovery on for the deploy before."
    PhasesTogether "TW023" Warning "a migration that contracts runs in the same deploy as one that expands":
        "To expand, deploy new code and contract later is safe because each step works with the code before and after it. In one \
         deploy both migrations run before the new code goes live: what the second takes away is still in use. Deploy up to the \
         first with Migrations.Target, then the rest."
    NoWayBack "TW024" Warning "a migration has no way back":
        "Where it fails half way, or another resource of the stack fails after it, what it did stays, and the code before it \
         meets data of the new shape; no other migration of the same deploy is taken back either, since a stack rollback takes \
         back all or none. Give it a down, or keep guard: journal. Where old code copes with the new shape, which is usual for \
         what only adds, allow the code."
    WayBackInThisBuild "TW025" Warning "only this build can take a migration back":
        "When a stack is rolled back, CloudFormation usually brings the old function back first and then asks it for the way \
         back. The down of a compiled migration is in the new function alone, so it cannot be called and the data stays as it \
         is. Within the failing deploy, and by the command undo, it works. A journal, and files in YAML or JavaScript, whose \
         text the ledger keeps, are taken back by an older build as well. OnStackRollback: keep says that the data is to stay."
    NotRepeatable "TW026" Warning "a migration that is interrupted waits for a person":
        "It is a function that is not declared idempotent. An invocation that ends under it, or a failure without a way back, \
         leaves it half done, and every deploy is then refused until a person has said what is the case. Make it safe to repeat \
         (Context::step records each part once) and declare it idempotent, or make it a backfill."
    LongerThanDeploy "TW027" Warning "migrations take longer than a deploy waits":
        "CloudFormation waits an hour for a custom resource. By the size of the tables and the pace that they can be written \
         at, the migrations take longer: the deploy fails with what was done on record, and the next one goes on, again and \
         again. Migrations.Target deploys some at a time. Completion: detached has the deploy succeed and the migration go on behind it; the code must then cope with \
         items of both shapes. A higher cap, or more throughput for the time of the migration, shortens it."
    UncappedScan "TW028" Warning "a large table is migrated at the default pace":
        "Without a cap a backfill takes up to 90 per cent of what the table is provisioned or limited to, and of a table on demand \
         as much as it gives before it throttles. On a table of this size that goes on for long enough to be felt by the \
         application. Say how much it may take (Backfill::at_most, or in a file its cap), such as half, or divide it into \
         segments by hand where you know better."
    ForeignTable "TW029" Note "a migration names a table that this resource neither declares nor owns":
        "The function has rights on the tables that are declared with it. For any other the construct has to be told \
         (otherTables), or the migration fails with an access denied error when it begins. Whoever owns the table does not \
         learn of the migration, and can change or remove it meanwhile."
    ManyFailures "TW030" Warning "a migration goes on past many items that fail":
        "Each such item stays as it was, in the old shape, and the deploy succeeds all the same: the code that goes live next \
         meets them. The limit is there for a handful of known oddities. Try it on a sample first (plan with sample), mend the \
         transform, and set the limit to what is expected."
    DearJournal "TW031" Warning "the journal of a large table is dear":
        "Each item is written in a transaction with its row in the ledger: four times the write units, and the storage of all \
         items once more for 35 days. For a change that a transform can take back, a down costs nothing until it is needed, and \
         guard: stamp makes a change exactly once for the price of an attribute."
    StreamFlood "TW032" Warning "a migration sends every item through a stream":
        "Each changed item is a record of the table's stream, or of its Kinesis stream. Functions that read it are called for \
         all of them, sooner than for what the application writes meanwhile, which waits behind; they may send a mail for each. \
         Have the readers filter what only the migration changes, or stop them until it is done; a stream keeps its records for \
         24 hours."
    ReplicatedWrites "TW033" Warning "a migration writes to a table that is written in other regions too":
        "Its conditions hold in the region in which it writes. What the application writes to the same item in another region \
         at that moment wins or loses by the clock, whole item against whole item (AWS documentation, \"How DynamoDB global \
         tables work\"), and every write is paid for once more in each region. Have the application write in this region alone \
         while the migration runs, or run it again after that."
    LeavesIndex "TW034" Warning "a migration takes away the key of an index":
        "An item without an attribute of the key of an index is not in the index. Queries of the index stop finding the items as \
         the migration comes to them, without an error. Remove the index first, or keep the attribute as long as the index is \
         read."
    LeavingTable "TW035" Warning "a migration works on a table that is about to be deleted":
        "The table has left the declaration and is deleted when the whole stack has succeeded. What the migration changes in it is \
         lost with it; and where it copies items out of the table, there is no time to look at the result. Remove the table in a \
         later deploy."
    Halt "TW040" Note "a failure would leave everything as it is":
        "With OnFailure: halt a failing deploy takes nothing back. CloudFormation then leads back to the code before, which \
         meets the tables and the items as far as they had come. That is meant for a large migration which is to go on where it \
         stopped, with code that copes with both shapes."
    RunsAll "TW041" Warning "all migrations run on data that may have seen them":
        "There is no history and Migrations.Baseline is none, so every migration of the build runs on tables that hold items. \
         Where an earlier tool has applied some of them already, they are applied a second time. Set Baseline to the last one \
         that the data has seen."
    CodeBeforeData "TW042" Note "code goes live before its data":
        "With Completion: detached the deploy succeeds when the tables are right, and the migrations go on behind it. Code of this \
         deploy meets items of the old shape and of the new one until they are done, and a migration that fails then is taken \
         back by nobody: a metric tells, and the next deploy goes on."
}

impl Code {
    /// What `tablewright explain` shows of it.
    #[must_use]
    pub fn explained(self) -> String {
        let severity = self.severity();
        let then = match severity {
            Severity::Error => "A deploy is refused for it, before anything is written.",
            Severity::Warning | Severity::Note => "It is shown in the plan and in the log.",
        };
        format!(
            "{self} ({severity}): {}\n\n{}\n\n{then} To accept it in a deploy: Allow: [{self}] in the properties of the \
             resource; it is then shown as a note.\n",
            self.title(),
            self.explanation()
        )
    }

    /// A line for each code, for a list of all.
    #[must_use]
    pub fn list() -> String {
        let line = |code: &Self| format!("{code}  {:<7}  {}\n", code.severity(), code.title());
        Self::ALL.iter().map(line).collect()
    }

    /// The code that is written most like this.
    #[must_use]
    pub fn nearest(word: &str) -> Self {
        let word = word.trim().to_uppercase();
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let number = |text: &str| digits(text).parse::<u32>().unwrap_or_default();
        let wanted = number(&word);
        let distance = |code: &&Self| number(code.as_str()).abs_diff(wanted);
        Self::ALL.iter().min_by_key(distance).copied().unwrap_or(Self::TableDeleted)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A word that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word} is no code of a finding; the nearest is {nearest} ({})", nearest.title())]
pub struct UnknownCode {
    /// The word.
    pub word: String,
    /// The code that is written most like it.
    pub nearest: Code,
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(word: &str) -> Result<Self, UnknownCode> {
        let is_meant = |code: &&Self| code.as_str().eq_ignore_ascii_case(word.trim());
        Self::ALL
            .iter()
            .find(is_meant)
            .copied()
            .ok_or_else(|| UnknownCode { word: word.to_owned(), nearest: Self::nearest(word) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_each_once_and_read_back() {
        let all: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        for code in Code::ALL {
            assert_eq!(code.as_str().to_lowercase().parse(), Ok(*code));
            assert!(code.explained().contains(code.title()));
            let list = Code::list();
            assert!(list.lines().any(|line| line.starts_with(code.as_str())), "{code}");
        }
    }

    #[test]
    fn an_unknown_code_is_told_the_nearest() {
        let said = |word: &str| word.parse::<Code>().unwrap_err().to_string();
        assert!(said("TW099").contains("nearest is TW042"), "{}", said("TW099"));
        assert!(said("tw-20").contains("nearest is TW020"), "{}", said("tw-20"));
        assert!(said("everything").contains("nearest is TW001"), "{}", said("everything"));
    }
}
