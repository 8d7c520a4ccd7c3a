// The networks that a training kernel goes on with, and, as an indirect dispatch reads them, the workgroups that do.
struct Unfinished {
    count: u32,
    groups_x: u32,
    groups_y: u32,
    groups_z: u32,
    networks: array<u32>, // those that train at once come first
}
