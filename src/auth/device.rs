//! The settings of device-bound sessions.

use super::ConfigError;
use crate::settings::{DeviceBinding, DeviceSettings};

/// The settings as the builder collects them, in any order.
#[derive(Default)]
pub(super) struct DeviceOptions {
    pub(super) binding: Option<DeviceBinding>,
    pub(super) routes: Option<String>,
    pub(super) excluded_paths: Option<Vec<String>>,
}

impl DeviceOptions {
    /// `None` if sessions are not bound to devices.
    ///
    /// # Errors
    /// If there are paths, which then change nothing.
    pub(super) fn into_settings(self) -> Result<Option<DeviceSettings>, ConfigError> {
        let Self { binding, routes, excluded_paths } = self;
        let Some(binding) = binding else {
            let has_paths = routes.is_some() || excluded_paths.is_some();
            return if has_paths { Err(ConfigError::DevicePathsWithoutDeviceBinding) } else { Ok(None) };
        };
        Ok(Some(DeviceSettings {
            binding,
            routes: routes.unwrap_or_else(|| DeviceSettings::DEFAULT_ROUTES.to_owned()),
            excluded_paths: excluded_paths.unwrap_or_default(),
        }))
    }
}
