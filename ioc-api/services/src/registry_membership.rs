//! The registry as credentials ask about it.
use ioc_identity::GatewayMembership;
use ioc_ingest::Registry;

/// Tells which devices the registry has under a gateway.
pub struct RegistryMembership(pub Registry);

impl GatewayMembership for RegistryMembership {
    fn is_under(&self, device: &str, gateway: &str) -> bool {
        self.0.current().by_id(device).is_some_and(|device| device.is_under(gateway))
    }

    fn count_under(&self, gateway: &str) -> usize {
        self.0.current().iter().filter(|device| device.is_under(gateway)).count()
    }
}
