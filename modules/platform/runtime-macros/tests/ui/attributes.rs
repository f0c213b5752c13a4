use runtime_macros::service;

/// Charges and refunds.
#[service("payments")]
#[must_use]
trait OnTheTrait {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait OnTheMethod {
    /// Charges.
    #[cached]
    #[idempotent]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait IdempotentWithArguments {
    #[idempotent(by = "order")]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait IdempotentTwice {
    #[idempotent]
    #[idempotent]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RoutedByNothing {
    #[routed_by]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RoutedByAText {
    #[routed_by("order_id")]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RoutedByNoField {
    #[routed_by()]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RoutedByTwoFields {
    #[routed_by(order_id, event_id)]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait RoutedTwice {
    #[routed_by(order_id)]
    #[routed_by(order.id)]
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

fn main() {}
