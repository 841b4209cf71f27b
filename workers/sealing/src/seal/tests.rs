//! Sealer and opener with a KMS in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::Zeroizing;

use super::*;
use crate::kms::DataKey;
use crate::open::{OpenError, Opener};

/// A KMS in memory. The encrypted key is the number under which the key and its object are kept.
#[derive(Default)]
struct Memory {
    keys: Mutex<Vec<String>>,
    decrypted: AtomicUsize,
    down: bool,
}

impl Kms for &Memory {
    async fn generate(&self, object: &str) -> Result<DataKey, KmsError> {
        if self.down {
            return Err(KmsError::Unavailable { code: "ThrottlingException".into(), retryable: true });
        }
        let mut keys = self.keys.lock().expect("lock");
        keys.push(object.to_owned());
        let number = u8::try_from(keys.len()).expect("few");
        Ok(DataKey { plain: Zeroizing::new(vec![number; 32]), encrypted: vec![number] })
    }

    async fn decrypt(&self, encrypted: &[u8], object: &str) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        if self.down {
            return Err(KmsError::Unavailable { code: "ThrottlingException".into(), retryable: true });
        }
        self.decrypted.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys.lock().expect("lock");
        let known = encrypted.first().and_then(|&number| keys.get(usize::from(number).checked_sub(1)?));
        match (encrypted, known) {
            (&[number], Some(made_for)) if made_for == object => Ok(Zeroizing::new(vec![number; 32])),
            _ => Err(KmsError::Undecryptable("InvalidCiphertextException".into())),
        }
    }
}

#[tokio::test]
async fn a_row_is_opened_with_the_key_of_its_event() {
    let kms = Memory::default();
    let mut sealer = Sealer::new(&kms, "o".into());
    let sealed = sealer.seal("r", &[("a", "1"), ("b", ""), ("c", "ü")]).await.expect("sealed");
    assert_eq!(sealed.values[1], "");
    let opener = Opener::new(&kms);
    for (index, column, value) in [(0, "a", "1"), (2, "c", "ü")] {
        let place = Place { object: "o", record: "r", column };
        let opened = opener.open(&sealed.data_key, place, &sealed.values[index]).await;
        assert_eq!(opened.expect("opened").as_str(), value);
    }
    assert_eq!(kms.decrypted.load(Ordering::Relaxed), 1, "one call for one key");
    for (object, data_key) in [("p", &*sealed.data_key), ("o", "AAAA"), ("o", "no Base64")] {
        let place = Place { object, record: "r", column: "a" };
        let opened = opener.open(data_key, place, &sealed.values[0]).await;
        assert_eq!(opened.expect_err("another key or object"), OpenError::Undecryptable);
    }
}

#[tokio::test]
async fn a_key_is_replaced_before_its_bound() {
    let kms = Memory::default();
    let mut sealer = Sealer::new(&kms, "o".into());
    sealer.change_key_after(3);
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(sealer.seal("r", &[("a", "1"), ("b", "2")]).await.expect("sealed").data_key);
    }
    keys.dedup();
    assert_eq!(keys.len(), 3, "two values a row, and no fourth value for a key");
}

#[tokio::test]
async fn without_kms_nothing_is_sealed_and_opening_is_for_later() {
    let (up, down) = (Memory::default(), Memory { down: true, ..Memory::default() });
    assert!(matches!(
        Sealer::new(&down, "o".into()).seal("r", &[("a", "1")]).await,
        Err(SealError::Kms(KmsError::Unavailable { .. }))
    ));
    let sealed = Sealer::new(&up, "o".into()).seal("r", &[("a", "1")]).await.expect("sealed");
    let place = Place { object: "o", record: "r", column: "a" };
    let opened = Opener::new(&down).open(&sealed.data_key, place, &sealed.values[0]).await;
    assert!(matches!(opened, Err(OpenError::Unavailable(_))));
}
