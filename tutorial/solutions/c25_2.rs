//! Chapter 25, exercise 2: a thousand measurements as bytes.
//!
//! Four bytes each, the lowest first: in the browser, `new Float32Array(bytes)` has them again (on
//! every machine that you are likely to meet). JSON would need some ten characters for each.

use sockets_by_hand::socketio::Value;

fn pack(numbers: &[f32]) -> Value {
    Value::Binary(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
}

/// The numbers in a binary value; `None` if it is not binary, or ends within a number.
fn unpack(value: &Value) -> Option<Vec<f32>> {
    let bytes = value.as_binary().filter(|bytes| bytes.len() % 4 == 0)?;
    let number = |four: &[u8]| four.try_into().map(f32::from_le_bytes);
    bytes.chunks_exact(4).map(|four| number(four).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockets_by_hand::json;
    use sockets_by_hand::socketio::codec::encode;
    use sockets_by_hand::socketio::packet::Kind;

    fn size(value: &Value) -> usize {
        let event = encode(Kind::Event, "/", None, [&json!("measured"), value]);
        event.unwrap().frames().len()
    }

    #[test]
    fn binary_numbers_take_less_than_half_of_json() {
        let numbers: Vec<f32> = (0..1000).map(|i| (i as f32).sqrt()).collect();
        let packed = pack(&numbers);
        assert_eq!(unpack(&packed), Some(numbers.clone()));
        let listed = Value::Array(numbers.iter().map(|n| json!(f64::from(*n))).collect());
        assert!(size(&packed) * 2 < size(&listed), "{} and {}", size(&packed), size(&listed));
    }

    #[test]
    fn infinity_and_negative_zero_arrive_and_half_a_number_is_refused() {
        let special = unpack(&pack(&[f32::INFINITY, -0.0])).unwrap();
        assert!(special[0].is_infinite() && special[1].is_sign_negative());
        assert_eq!(unpack(&Value::Binary(vec![0; 7])), None);
        assert_eq!(unpack(&json!([1, 2])), None);
    }
}
