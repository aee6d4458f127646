pub struct Store {
    blocks: Vec<Vec<u8>>,
}

impl Store {
    #[inline(always)]
    fn inlined_push(&mut self, bytes: usize) {
        self.blocks.push(Vec::with_capacity(bytes)); // line 8
    }

    #[inline(never)]
    pub fn fill(&mut self, count: usize) {
        for _ in 0..count {
            self.inlined_push(1000); // line 14
        }
    }
}

#[no_mangle]
pub extern "C" fn rust_fill(count: usize) -> usize {
    let store = Box::leak(Box::new(Store { blocks: Vec::with_capacity(count) }));
    store.fill(count);
    store.blocks.len()
}
