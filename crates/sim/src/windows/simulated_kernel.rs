//! The machine as schedules and scenarios use it.

use crate::windows::machine::Machine;
use crate::world::{SimulatedKernel, World};
use everwatch_backends::windows::WindowsKernel;

impl SimulatedKernel for WindowsKernel<Machine> {
    fn world(&self) -> &World {
        &self.system().world
    }

    fn world_mut(&mut self) -> &mut World {
        &mut self.system_mut().world
    }

    fn is_idle(&self) -> bool {
        self.system().reads().is_idle() && self.world().system.queue.len() == 0
    }

    fn is_limited(&self) -> bool {
        self.system().reads().is_limited()
    }

    fn lift_limit(&mut self) {
        self.system_mut().reads_mut().limit(usize::MAX);
    }

    fn finished_deletes(&self) -> Option<u64> {
        let Some(nt) = &self.world().system.nt else {
            return Some(0);
        };
        nt.delete_pending.is_empty().then_some(nt.deletes_finished)
    }

    fn check_what_is_held(&mut self, watches: u64, _is_certain: bool) -> Vec<String> {
        let wanted = self.reads_held();
        let system = &self.world().system;
        let (held, opens) = (self.system().reads().len(), system.disk.opens());
        let mut complaints = Vec::new();
        // The read has a handle of its own beside the one that it was armed with.
        if opens as usize != 2 * held {
            complaints.push(format!("{opens} handles are open for {held} reads"));
        }
        if held != wanted || held as u64 > watches {
            complaints.push(format!(
                "{held} reads in the kernel, {wanted} in the host, {watches} watches in the engine"
            ));
        }
        complaints
    }
}
