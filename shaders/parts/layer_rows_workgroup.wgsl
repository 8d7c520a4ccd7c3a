// What the invocations of a network share of a tile of samples, in workgroup memory.
var<workgroup> group_rows: array<f32, NETWORKS * SHARED_ROWS * SHARED_ROW>;

// Where the rows of a network stand, by its place in the group and its workgroup.
fn first_row(place: u32, group: u32) -> u32 {
    return place * (SHARED_ROWS * SHARED_ROW);
}

fn shared_value(at: u32) -> f32 {
    return group_rows[at];
}

fn share(at: u32, value: f32) {
    group_rows[at] = value;
}
