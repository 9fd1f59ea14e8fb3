//! Deliveries: objects on their way to a sink.

use crate::domain::words::words;

words!(
    /// How far an object is on its way.
    DeliveryState, "delivery state", {
        /// Waiting to be sent, for the first time or again.
        Pending = "pending",
        /// The sink took it and gave a receipt; whether it processed it is not known yet.
        Sent = "sent",
        /// The sink has it.
        Delivered = "delivered",
        /// It cannot be delivered as things are: an operator must look.
        Dead = "dead",
    }
);

words!(
    /// Why an object is dead.
    DeadCause, "cause", {
        /// It breaks the sink's schema and was never sent.
        Invalid = "invalid",
        /// The sink refused the request that held it alone.
        Refused = "refused",
        /// The sink took it and then failed to process it.
        Failed = "failed",
    }
);
