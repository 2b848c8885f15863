//! Making models from files and from other models.

mod beside;
mod conversion;
mod dry_run;
mod files;
mod inheritance;
mod making;
mod merging;
mod outputs;
mod provenance;
mod recipe;
mod reported;
mod todays;
