// What the invocations of a network share of a tile of samples, in storage.
@group(0) @binding(7) var<storage, read_write> rows: array<f32>; // [workgroup][row][sample of the tile]

// Where the rows of a network stand, by its place in the group and its workgroup.
fn first_row(place: u32, group: u32) -> u32 {
    return group * (SHARED_ROWS * SHARED_ROW);
}

fn shared_value(at: u32) -> f32 {
    return rows[at];
}

fn share(at: u32, value: f32) {
    rows[at] = value;
}
