//! The search for the items that the latest version of a file lacks: how far it has come, and its next steps.

use std::collections::BTreeMap;

use contract::ObjectRef;
use contract::event::{SnapshotOutcome, SnapshotReason};
use futures::StreamExt as _;

use super::{
    Backoff, Delay, Deletion, Deserialize, Found, Instant, Items, Kept, Latest, Map, Memory, NotDone, Page,
    Place, PutEvents, Serialize, Snapshot, State, Value, busy, continued,
};

/// The number of items that are noted before they are deleted: the note has their digests, and is one write of less than
/// two kilobytes.
const CHUNK: usize = 25;
/// The number of deletions at the same time.
const MAX_IN_FLIGHT: usize = 8;

/// The state of a search, as it is put aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Run {
    /// The version that counts. `None`: nothing is looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<Latest>,
    /// `true` in the second pass, which deletes.
    deletes: bool,
    /// The key after which the next page begins. `None`: the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Map<String, Value>>,
    /// Items that were counted.
    items: u64,
    /// Candidates that were counted.
    candidates: u64,
    /// The greatest number of items to delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<u64>,
    /// Items that were noted to be deleted, `open` included.
    noted: u64,
    /// Those of the noted ones that had another version when they were to be deleted, and stay.
    changed: u64,
    /// Digests of the keys of the items that are being deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open: Vec<String>,
    /// `true` if there were more candidates than the maximum when they were to be deleted.
    left: bool,
    /// The end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<SnapshotOutcome>,
}

impl Run {
    /// Begins a search.
    pub(super) fn new(latest: Latest) -> Self {
        Self { latest: Some(latest), ..Self::default() }
    }

    /// Returns a search that is not made.
    pub(super) fn ended(reason: SnapshotReason) -> Self {
        let outcome = SnapshotOutcome { reason: Some(reason), ..SnapshotOutcome::default() };
        Self { outcome: Some(outcome), ..Self::default() }
    }

    /// Returns the number of items that were deleted, or are about to be.
    const fn deleted(&self) -> u64 {
        self.noted.saturating_sub(self.changed)
    }

    fn lacks(&self, item: &Found) -> bool {
        let latest = self.latest.as_ref().zip(item.version.as_deref());
        latest.is_some_and(|(latest, version)| latest.lacks(version))
    }

    /// Counts the items of a page.
    fn count(&mut self, page: &Page) {
        let Some(latest) = &self.latest else { return };
        let versions = page.items.iter().filter_map(|item| item.version.as_deref());
        for version in versions.filter(|version| latest.has_or_lacks(version)) {
            self.items += 1;
            self.candidates += u64::from(latest.lacks(version));
        }
    }
}

impl Found {
    /// Returns 32 hexadecimal digits that name its key.
    fn digest(&self) -> String {
        // The attributes of a key come in any order.
        let key: BTreeMap<&String, &Value> = self.key.iter().collect();
        contract::object::digest(&[serde_json::to_string(&key).unwrap_or_default().as_bytes()])
    }
}

impl<I: Items, M: Memory, Q: Delay, P: PutEvents> Snapshot<I, M, Q, P> {
    /// Continues a search until it is at its end, which the run then has, or until the time is over.
    pub(super) async fn advance(
        &self,
        object: &ObjectRef,
        run: &mut Kept<Run>,
        holder: &str,
        end: Instant,
    ) -> Result<State, NotDone> {
        let source = object.source();
        if !run.value.deletes {
            if self.count(&source, run, holder, end).await? == State::Continues {
                return Ok(State::Continues);
            }
            let known = run.value.latest.as_ref().and_then(|latest| latest.items);
            // Other programs may have deleted items since they were counted.
            let before = known.map(|known| known.min(run.value.items));
            let maximum = before.map(|before| self.settings.maximum_deleted.of(before));
            let candidates = run.value.candidates;
            let reason = match maximum {
                _ if candidates == 0 => None,
                None => Some(SnapshotReason::NoBaseline),
                Some(maximum) if candidates > maximum => Some(SnapshotReason::TooMany),
                Some(_) => None,
            };
            run.value.maximum = maximum.filter(|_| candidates > 0);
            if candidates == 0 || reason.is_some() {
                return self.finish(object, run, holder, reason).await;
            }
            (run.value.deletes, run.value.place) = (true, None);
            self.save(run, holder).await?;
        }
        if self.delete(&source, run, holder, end).await? == State::Continues {
            return Ok(State::Continues);
        }
        let reason = run.value.left.then_some(SnapshotReason::TooMany);
        self.finish(object, run, holder, reason).await
    }

    async fn page(&self, source: &str, run: &Run) -> Result<Page, NotDone> {
        continued::retried(self.backoff, || self.items.page(source, run.place.as_ref())).await
    }

    /// Notes that everything up to the end of a page is done.
    async fn turn(
        &self,
        run: &mut Kept<Run>,
        next: Map<String, Value>,
        holder: &str,
        end: Instant,
    ) -> Result<State, NotDone> {
        run.value.place = Some(next);
        self.save(run, holder).await?;
        Ok(if Instant::now() >= end { State::Continues } else { State::Done })
    }

    /// Makes the first pass, which counts.
    async fn count(
        &self,
        source: &str,
        run: &mut Kept<Run>,
        holder: &str,
        end: Instant,
    ) -> Result<State, NotDone> {
        loop {
            let page = self.page(source, &run.value).await?;
            run.value.count(&page);
            let Some(next) = page.next else { return Ok(State::Done) };
            if self.turn(run, next, holder, end).await? == State::Continues {
                return Ok(State::Continues);
            }
        }
    }

    /// Makes the second pass, which deletes.
    async fn delete(
        &self,
        source: &str,
        run: &mut Kept<Run>,
        holder: &str,
        end: Instant,
    ) -> Result<State, NotDone> {
        loop {
            let page = self.page(source, &run.value).await?;
            let (mut candidates, others): (Vec<Found>, Vec<Found>) =
                page.items.into_iter().partition(|item| run.value.lacks(item));
            if !run.value.open.is_empty() {
                // A process ended while it deleted these: those that are here still are deleted now. Of the others, some
                // were written again in between.
                let open = std::mem::take(&mut run.value.open);
                let is_open = |item: &Found| open.contains(&item.digest());
                run.value.changed += others.iter().filter(|item| is_open(item)).count() as u64;
                let (again, rest) = candidates.into_iter().partition(is_open);
                run.value.changed += self.delete_all(again).await?;
                candidates = rest;
            }
            let mut candidates = candidates.into_iter().peekable();
            while candidates.peek().is_some() {
                let room = run.value.maximum.unwrap_or_default().saturating_sub(run.value.deleted());
                let room = usize::try_from(room).unwrap_or(CHUNK).min(CHUNK);
                if room == 0 {
                    run.value.left = true;
                    return Ok(State::Done);
                }
                let chunk: Vec<Found> = candidates.by_ref().take(room).collect();
                run.value.noted += chunk.len() as u64;
                run.value.open = chunk.iter().map(Found::digest).collect();
                self.save(run, holder).await?;
                run.value.changed += self.delete_all(chunk).await?;
                run.value.open.clear();
                if candidates.peek().is_some() && Instant::now() >= end {
                    self.save(run, holder).await?;
                    return Ok(State::Continues);
                }
            }
            let Some(next) = page.next else { return Ok(State::Done) };
            if self.turn(run, next, holder, end).await? == State::Continues {
                return Ok(State::Continues);
            }
        }
    }

    /// Deletes items, unless they have changed, and returns the number of those that have.
    async fn delete_all(&self, items: Vec<Found>) -> Result<u64, NotDone> {
        let deletions = items.into_iter().map(|item| async move {
            let version = item.version.unwrap_or_default();
            continued::retried(self.backoff, || self.items.delete(&item.key, &version)).await
        });
        let answers: Vec<Result<Deletion, NotDone>> =
            futures::stream::iter(deletions).buffer_unordered(MAX_IN_FLIGHT).collect().await;
        let mut changed = 0;
        for answer in answers {
            changed += u64::from(answer? == Deletion::Changed);
        }
        Ok(changed)
    }

    /// Ends a search: remembers how many items the file has now, and the outcome.
    async fn finish(
        &self,
        object: &ObjectRef,
        run: &mut Kept<Run>,
        holder: &str,
        reason: Option<SnapshotReason>,
    ) -> Result<State, NotDone> {
        let Run { items, candidates, maximum, .. } = run.value;
        let deleted = run.value.deleted();
        let latest = run.value.latest.clone();
        if let Some(latest) = &latest {
            self.remember_items(object, latest, items.saturating_sub(deleted), holder).await?;
        }
        run.value.outcome = Some(SnapshotOutcome {
            deleted,
            candidates: Some(candidates),
            items: Some(items),
            maximum,
            reason,
            latest: latest.and_then(|latest| latest.beside(object)),
        });
        self.save(run, holder).await?;
        Ok(State::Done)
    }

    /// Remembers how many items the file has, unless a newer version counts meanwhile, whose search will.
    async fn remember_items(
        &self,
        object: &ObjectRef,
        latest: &Latest,
        items: u64,
        holder: &str,
    ) -> Result<(), NotDone> {
        let place = Place::of_file(&object.source());
        for attempt in 1..=Backoff::attempts(&self.backoff) {
            let Some(mut known) = self.recall::<Latest>(&place).await? else { return Ok(()) };
            if known.value.digest != latest.digest || known.value.items == Some(items) {
                return Ok(());
            }
            known.value.items = Some(items);
            if self.try_save(&mut known, holder).await? {
                return Ok(());
            }
            self.backoff.pause(attempt).await;
        }
        Err(busy())
    }
}
