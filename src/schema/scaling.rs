//! Auto scaling of provisioned throughput: what moves the figures of a table or an index without anybody's deploy.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Auto scaling of a table or of an index; `None` is unmanaged or unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoScaling {
    /// Of read capacity.
    pub read: Option<Scaling>,
    /// Of write capacity.
    pub write: Option<Scaling>,
}

impl AutoScaling {
    /// Known to scale nothing.
    pub const OFF: Self = Self { read: Some(Scaling::Off), write: Some(Scaling::Off) };

    /// What becomes of one dimension.
    #[must_use]
    pub fn of(&self, dimension: Dimension) -> Option<&Scaling> {
        match dimension {
            Dimension::Read => self.read.as_ref(),
            Dimension::Write => self.write.as_ref(),
        }
    }

    /// What becomes of one dimension, to be changed.
    pub fn of_mut(&mut self, dimension: Dimension) -> &mut Option<Scaling> {
        match dimension {
            Dimension::Read => &mut self.read,
            Dimension::Write => &mut self.write,
        }
    }

    /// Whether one dimension is scaled.
    #[must_use]
    pub fn scales(&self, dimension: Dimension) -> bool {
        matches!(self.of(dimension), Some(Scaling::Between(_)))
    }
}

/// What is scaled apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Dimension {
    /// Read capacity.
    Read,
    /// Write capacity.
    Write,
}

impl Dimension {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// Auto scaling of one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scaling {
    /// None: the figure is what it was set to.
    Off,
    /// Within a range; a declared figure is where it begins, and nobody's business afterwards.
    Between(Range),
}

/// The range within which a figure follows its use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Least capacity units.
    pub min: u32,
    /// Most capacity units.
    pub max: u32,
    /// What it follows; observed as `None` where nothing tracks utilisation.
    pub tracking: Option<Tracking>,
}

/// A policy that keeps utilisation at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Name of the live policy; a declaration names none, and takes whichever there is.
    pub policy: Option<String>,
    /// Utilisation to keep.
    pub target: Utilisation,
    /// Seconds between two decreases; a declaration without leaves them alone.
    pub scale_in_cooldown: Option<u32>,
    /// Seconds between two increases; a declaration without leaves them alone.
    pub scale_out_cooldown: Option<u32>,
    /// Whether it never decreases.
    pub only_out: bool,
}

/// Per cent of the provisioned capacity that are used, in hundredths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Utilisation(pub u32);

impl fmt::Display for Utilisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole} %"),
            (whole, hundredths) => write!(f, "{whole}.{hundredths:02} %"),
        }
    }
}

impl Scaling {
    /// Whether what is `live` is what is asked for here.
    #[must_use]
    pub fn is_met_by(&self, live: &Self) -> bool {
        match (self, live) {
            (Self::Between(want), Self::Between(live)) => *live == want.over(live),
            (Self::Off, Self::Off) => true,
            (Self::Off, Self::Between(_)) | (Self::Between(_), Self::Off) => false,
        }
    }
}

impl Range {
    /// This range, with what it leaves open as it is `live`.
    #[must_use]
    pub fn over(&self, live: &Self) -> Self {
        let mut range = self.clone();
        match (&mut range.tracking, &live.tracking) {
            (Some(want), Some(live)) => {
                want.policy = want.policy.take().or_else(|| live.policy.clone());
                want.scale_in_cooldown = want.scale_in_cooldown.or(live.scale_in_cooldown);
                want.scale_out_cooldown = want.scale_out_cooldown.or(live.scale_out_cooldown);
            }
            (want @ None, live) => want.clone_from(live),
            (Some(_), None) => {}
        }
        range
    }
}

impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Between(range) => write!(f, "{range}"),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)?;
        match &self.tracking {
            Some(tracking) => write!(f, " at {}", tracking.target),
            None => Ok(()),
        }
    }
}
