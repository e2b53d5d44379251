//! Device-bound sessions: the offer, the registration and the refresh, with a browser that behaves as Chromium does.

mod hostile;
mod offers;
mod refresh;
mod registration;
mod stolen;

use tower_refresh::{AuthBuilder, DeviceBinding};

use crate::support::{Claims, World};

fn enforcing() -> World {
    World::with(|builder| builder.device_binding(DeviceBinding::Enforce))
}

fn observing() -> World {
    World::with(|builder| builder.device_binding(DeviceBinding::Observe))
}

fn both() -> [(World, DeviceBinding); 2] {
    [DeviceBinding::Enforce, DeviceBinding::Observe].map(|binding| (World::with(with(binding)), binding))
}

fn with(binding: DeviceBinding) -> impl FnOnce(AuthBuilder<Claims>) -> AuthBuilder<Claims> {
    move |builder| builder.device_binding(binding)
}
