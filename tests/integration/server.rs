//! The HTTP surface: every row of that name among the known attacks, and the manners of uploads.

mod hints;
mod jobs;
mod limits;
mod looking_in;
mod operation;
mod page;
mod process;
mod records;
mod requests;
mod rules;
mod tus;
mod unrecorded;
mod uploads;
