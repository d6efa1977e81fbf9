//! The shapes of answers that are not types of the model.
use ioc_identity::Role;
use ioc_model::{Alert, Domain, ParentKind, QualityFlag, Severity, TransitionKind, alert::Text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// The entries of this page.
    pub items: Vec<T>,
    /// Pass as `cursor` for the next page; `null` on the last one.
    #[schema(required)]
    pub next: Option<String>,
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// Who is signed in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionInfo {
    /// The user.
    pub user: SessionUser,
    /// Milliseconds since the epoch; `null` for display tokens.
    #[schema(required)]
    pub expires_at: Option<i64>,
    /// Whether it survives a restart; `false` while the disk takes nothing.
    pub durable: bool,
}

/// The user of a session.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionUser {
    /// User name.
    pub name: String,
    /// What they may do at most.
    pub role: Role,
}

/// What a device belongs to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ParentDto {
    /// What it is.
    pub kind: ParentKind,
    /// Device id.
    pub id: String,
}

/// A registered device and how it looks now.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeviceDto {
    /// Device id.
    pub id: String,
    /// Index in binary state frames.
    pub index: u32,
    /// Domain.
    pub domain: Domain,
    /// Kind, as in the catalogue.
    pub kind: String,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Ward code, from the position.
    #[schema(required)]
    pub ward: Option<String>,
    /// What it belongs to.
    #[schema(required)]
    pub parent: Option<ParentDto>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its connection, or that of its gateway, stands; null when nothing was heard of one since our start.
    #[schema(required)]
    pub online: Option<bool>,
    /// Milliseconds since the epoch.
    #[schema(required)]
    pub last_seen: Option<i64>,
    /// How far its clock is behind ours in milliseconds, negative when it is ahead; null before enough messages agree.
    #[schema(required)]
    pub clock_offset_ms: Option<i64>,
    /// Its clock is more than 15 minutes behind or 5 ahead: its readings start no alerts or are rejected.
    pub clock_wrong: bool,
    /// 0 normal, 1 offline, 2 low, 3 medium, 4 high, 5 critical.
    pub state: u8,
    /// Bit 0: all its alerts are acknowledged; bit 1: silent for over three periods; bit 2: never reported.
    pub flags: u8,
    /// How often its kind reports, in seconds.
    pub reporting_period_s: u32,
    /// No longer in service.
    pub retired: bool,
}

/// The newest value of one property.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LatestDto {
    /// Property name.
    pub property: String,
    /// What it is.
    pub title: Text,
    /// Unit as shown.
    pub unit: String,
    /// Event time, milliseconds since the epoch.
    pub t: i64,
    /// When it reached us, milliseconds since the epoch; null when that is not known.
    #[schema(required)]
    pub arrival: Option<i64>,
    /// The value in `unit`.
    pub value: f64,
    /// Quality flags that are set.
    #[schema(value_type = Vec<QualityFlag>)]
    pub quality: Vec<String>,
    /// Name of the code, for enums; `false` or `true` for truth values.
    #[schema(required)]
    pub name: Option<String>,
    /// What the code means, for enums.
    #[schema(required)]
    pub label: Option<Text>,
}

/// The newest values of one device.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LatestList {
    /// Device id.
    pub device: String,
    /// One for each property.
    pub items: Vec<LatestDto>,
}

/// One bucket of history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BucketDto {
    /// Start of the bucket, milliseconds since the epoch.
    pub t: i64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean; of energies for decibels.
    pub mean: f64,
    /// Newest value.
    pub last: f64,
    /// Number of values.
    pub count: u64,
}

/// A time of which readings cannot be read, because a file is damaged.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct DamagedDto {
    /// From here on, milliseconds since the epoch.
    pub from: i64,
    /// Up to here, exclusive.
    pub to: i64,
}

/// Downsampled history of one property of one device.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BucketHistory {
    /// Property name.
    pub property: String,
    /// Unit as shown.
    pub unit: String,
    /// Buckets that hold something, oldest first.
    pub points: Vec<BucketDto>,
    /// Times at which readings are missing because files are damaged; empty when the answer is complete.
    pub damaged: Vec<DamagedDto>,
}

/// One value of raw history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RawPoint {
    /// Event time, milliseconds since the epoch.
    pub t: i64,
    /// The value.
    pub v: f64,
}

/// History of a group of devices in windows.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupHistory {
    /// Property name.
    pub property: String,
    /// Unit as shown.
    pub unit: String,
    /// One for each group that has data.
    pub groups: Vec<GroupDto>,
    /// Times at which readings are missing because files are damaged; empty when the answer is complete.
    pub damaged: Vec<DamagedDto>,
}

/// One group.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupDto {
    /// Ward code, kind or device, after `group_by`; empty for devices outside every ward.
    pub group: String,
    /// Windows that hold something, oldest first.
    pub points: Vec<GroupPoint>,
}

/// One window of one group.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GroupPoint {
    /// Start of the window, milliseconds since the epoch.
    pub t: i64,
    /// After `agg`.
    pub value: f64,
    /// Number of values.
    pub count: u64,
}

/// The top N.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TopHistory {
    /// Highest first.
    pub items: Vec<TopDto>,
    /// Always `null`: there is one page.
    pub next: Option<String>,
    /// Times at which readings are missing because files are damaged; empty when the answer is complete.
    pub damaged: Vec<DamagedDto>,
}

/// One of the top N.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TopDto {
    /// Device id.
    pub device: String,
    /// The value it is ranked by.
    pub value: f64,
}

/// One line of an alert's timeline.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TransitionDto {
    /// Sequence number.
    pub seq: u64,
    /// What happened.
    pub transition: TransitionKind,
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// Who, for what people do.
    #[schema(required)]
    pub by: Option<String>,
    /// The note that came with it.
    #[schema(required)]
    pub note: Option<String>,
}

/// An alert and its timeline.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertDetail {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// Oldest first.
    pub transitions: Vec<TransitionDto>,
}

/// Body of `resolve`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveBody {
    /// A last word.
    #[serde(default)]
    pub note: Option<String>,
}

/// Body of `note`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteBody {
    /// 1 to 4,000 characters.
    pub text: String,
}

/// A rule and how it stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleDto {
    /// Name of the alert.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The expression.
    pub expr: String,
    /// The recovery expression.
    #[schema(required)]
    pub clear: Option<String>,
    /// `for`, in seconds.
    pub for_s: f64,
    /// Severity.
    pub severity: Severity,
    /// Domain label.
    #[schema(required)]
    pub domain: Option<Domain>,
    /// Summary templates.
    pub summary: Text,
    /// File it comes from.
    pub file: String,
    /// Line of its `alert`.
    pub line: u32,
    /// Whether its last evaluation failed.
    pub health: RuleHealthDto,
    /// What went wrong at its last evaluation.
    #[schema(required)]
    pub last_error: Option<String>,
    /// Firing alerts.
    pub firing: u64,
    /// Pending alerts.
    pub pending: u64,
}

/// Whether a rule can be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RuleHealthDto {
    /// It can.
    Ok,
    /// Its last evaluation failed.
    Error,
}

/// The rules in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleList {
    /// In the order of files and lines.
    pub items: Vec<RuleDto>,
    /// Always `null`: all rules fit one answer.
    #[schema(required)]
    pub next: Option<String>,
    /// Why the files on disk are not in force, if they are not.
    pub errors: Vec<RuleErrorDto>,
    /// When the rules in force were loaded, milliseconds since the epoch.
    pub loaded_at: i64,
}

/// One problem in a rule file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleErrorDto {
    /// Path.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[schema(required)]
    pub help: Option<String>,
}

/// The answer of `rules/check`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RuleCheck {
    /// Empty when the file is good.
    pub errors: Vec<RuleErrorDto>,
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// User name.
    pub name: String,
    /// Password.
    pub password: String,
    /// What they may do at most.
    #[schema(value_type = Role)]
    pub role: String,
    /// Domains the user works in; empty is all.
    #[serde(default)]
    pub domains: Vec<Domain>,
    /// Wards the user works in; empty is all.
    #[serde(default)]
    pub wards: Vec<String>,
}

/// A change of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// New password. One's own ends all other sessions, another's all of them.
    #[serde(default)]
    pub password: Option<String>,
    /// The password until now; needed to change one's own.
    #[serde(default)]
    pub current_password: Option<String>,
    /// New role.
    #[serde(default)]
    #[schema(value_type = Option<Role>)]
    pub role: Option<String>,
    /// `true` ends all sessions and refuses new ones.
    #[serde(default)]
    pub disabled: Option<bool>,
}

/// A new display token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDisplayToken {
    /// Which screen it is for.
    pub name: String,
}

/// A display token; shown once.
#[derive(Serialize, ToSchema)]
pub struct DisplayTokenDto {
    /// Which screen it is for.
    pub name: String,
    /// Reads everything, changes nothing.
    pub token: String,
}
