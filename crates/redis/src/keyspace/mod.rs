//! What is stored: the names of the keys, the format of the rows, and the scripts that change them.

mod keys;
pub(crate) mod row;
mod scripts;

pub(crate) use self::{
    keys::Keys,
    scripts::{Scripts, StoredScript},
};
