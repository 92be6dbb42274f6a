//! Images on their way from the grader's engine into a sandbox, which has no network to fetch any from.

use std::pin::pin;
use std::time::Duration;

use bollard::body_try_stream;
use bollard::errors::Error;
use bollard::query_parameters::ImportImageOptions;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::evidence::{Cause, Unobserved};
use crate::vm::Vm;

/// How long handing over all images may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Hands the images called `names` over from one machine to another, all at once, so that what they share goes once.
/// With those that the first one does not have.
pub async fn hand_over(from: &dyn Vm, to: &dyn Vm, names: &[String]) -> Result<Vec<String>, Unobserved> {
    let (from, to) = (from.docker().await?, to.docker().await?);
    let mut missing = Vec::new();
    let mut there = Vec::new();
    for name in names {
        match from.inspect_image(name).await {
            Ok(_) => there.push(name.as_str()),
            Err(Error::DockerResponseServerError { status_code: 400 | 404, .. }) => missing.push(name.clone()),
            Err(error) => return Err(broken(&error.to_string())),
        }
    }
    if there.is_empty() || !missing.is_empty() {
        return Ok(missing);
    }
    let (to_pass, pieces) = mpsc::channel(16);
    let exporting = async {
        let mut archive = pin!(from.export_images(&there));
        while let Some(piece) = archive.next().await {
            if to_pass.send(piece.map_err(std::io::Error::other)).await.is_err() {
                break;
            }
        }
        drop(to_pass);
    };
    let loading = async {
        let body = unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
        let options = ImportImageOptions { quiet: true, ..Default::default() };
        let mut said = pin!(to.import_image(options, body_try_stream(body), None));
        while let Some(step) = said.next().await {
            step?;
        }
        Ok::<(), Error>(())
    };
    match timeout(PATIENCE, async { tokio::join!(exporting, loading).1 }).await {
        Ok(Ok(())) => Ok(missing),
        Ok(Err(error)) => Err(broken(&deepest(&error))),
        Err(_) => Err(broken("it took too long")),
    }
}

/// What went wrong in the first place.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn broken(why: &str) -> Unobserved {
    let why: String = why.chars().take(400).collect();
    Unobserved::new(
        Cause::Engine,
        format!("no se pudieron pasar las imágenes al entorno aislado: {why}"),
        format!("the images could not be handed to the sandbox: {why}"),
    )
}
