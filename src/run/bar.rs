//! How far a run is, in one line on standard error that a terminal redraws in place. A pipe gets nothing of it, nor does
//! a terminal that cannot go back, and a run that is over in a moment shows none at all.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::Environment;
use crate::text::Lang;

/// A run that takes no longer than this has no progress worth showing.
const SOON: Duration = Duration::from_millis(400);

/// A line that is not shown yet.
pub fn line(lang: Lang) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    let template = match lang {
        Lang::Es => "{spinner} {pos}/{len} comprobaciones  {elapsed}",
        Lang::En => "{spinner} {pos}/{len} checks  {elapsed}",
    };
    bar.set_style(ProgressStyle::with_template(template).expect("a constant template"));
    bar
}

/// Does `work`, and shows `bar` while it lasts.
pub async fn during<T>(bar: &ProgressBar, environment: &Environment, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let result = match tokio::time::timeout(SOON, &mut work).await {
        Ok(result) => result,
        Err(_) => {
            if environment.redraws {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(Duration::from_millis(120));
            }
            work.await
        }
    };
    bar.finish_and_clear();
    result
}
