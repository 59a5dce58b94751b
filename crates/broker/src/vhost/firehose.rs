//! The firehose: traces published to `amq.rabbitmq.trace`.

use std::sync::Arc;

use amqp::properties::Properties;
use amqp::table::Value;

use super::Vhost;
use crate::link::Effects;
use crate::message::{Incoming, Parts};
use crate::queue::delivery::Batch;
use crate::trace::{EXCHANGE, Trace};

impl Vhost {
    /// Sends the events out.
    pub(super) fn publish_traces(self: &Arc<Self>, traces: Vec<Trace>) {
        let Some(exchange) = self.find_exchange(EXCHANGE) else { return };
        // A message that is itself a trace is not traced when it is delivered.
        let is_trace = |trace: &Trace| trace.body.parts().exchange == EXCHANGE.as_bytes();
        for mut trace in traces.into_iter().filter(|trace| !is_trace(trace)) {
            let queues = self.route(&exchange, trace.key.as_bytes(), None).queues;
            if queues.is_empty() {
                continue;
            }
            trace.headers.insert("node", Value::LongStr(self.ground.node.as_bytes().to_vec()));
            let headers = trace.headers.to_bytes();
            let mut properties = Vec::new();
            Properties { headers_raw: Some(&headers), ..Properties::default() }.encode(&mut properties);
            let parts = Parts {
                exchange: EXCHANGE.as_bytes(),
                routing_key: trace.key.as_bytes(),
                properties: &properties,
                body: trace.body.parts().body,
            };
            let messages = [Incoming::new(parts, false, 0, None)];
            // The trace's own deliveries are not traced: that would never end.
            let batch = Batch { messages: &messages, now: crate::clock::now_ms(), tracing: false };
            let mut effects = Effects::default();
            for queue in &queues {
                queue.publish(&batch, &[0], &mut effects);
            }
            effects.traces.clear();
            self.carry_out(&mut effects);
        }
    }
}
