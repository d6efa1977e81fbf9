/**
 * Holds the field names of `types.ts` against those of the server's OpenAPI document: a field that the server does
 * not send is a type error here. Values are not compared: the document does not spell its closed words as they are
 * sent. Nothing of this is in the built pages.
 */
import type { components } from "./__generated__/openapi.ts";
import type * as Ours from "./types.ts";

type Schemas = components["schemas"];

/** Every field that the pages read is one that the server names. */
type Named<Read extends keyof Sent, Sent> = [Read, Sent];

export type Contract = [
  Named<keyof Ours.Alert, Schemas["Alert"]>,
  Named<keyof Ours.AlertDetail, Schemas["AlertDetail"]>,
  Named<keyof Ours.AlertTransition, Schemas["TransitionDto"]>,
  Named<keyof Ours.Evidence, Schemas["Evidence"]>,
  Named<keyof Ours.EvidencePart, Schemas["EvidencePart"]>,
  Named<keyof Ours.EvidenceSample, Schemas["EvidenceSample"]>,
  Named<keyof Ours.Hops, Schemas["Hops"]>,
  Named<keyof Ours.Page<unknown>, Schemas["Page_DeviceDto"]>,
  Named<keyof Ours.Device, Schemas["DeviceDto"]>,
  Named<keyof Ours.LatestValue, Schemas["LatestDto"]>,
  Named<keyof Ours.BucketPoint, Schemas["BucketDto"]>,
  Named<keyof Ours.ClockState, Schemas["ClockDto"]>,
  Named<keyof Ours.Kpi, Schemas["KpiDto"]>,
  Named<keyof Ours.Rule, Schemas["RuleDto"]>,
  Named<keyof Ours.RuleList, Schemas["RuleList"]>,
  Named<keyof Ours.RuleFileError, Schemas["RuleErrorDto"]>,
  Named<keyof Ours.QuarantineRow, Schemas["QuarantineDto"]>,
  Named<keyof Ours.Rejection, Schemas["RejectionDto"]>,
  Named<keyof Ours.AuditRow, Schemas["AuditEntry"]>,
  Named<keyof Ours.Catalogue, Schemas["CatalogueDto"]>,
  Named<keyof Ours.CatalogueProperty, Schemas["Property"]>,
  Named<keyof Ours.CatalogueKind, Schemas["DeviceKind"]>,
  Named<keyof Ours.Session, Schemas["SessionInfo"]>,
  Named<keyof Ours.User, Schemas["SessionUser"]>,
];
