// Twin: src/reference/train.rs
// Parts: params, unfinished
// Lists the networks that a training kernel has not finished, for its next dispatch. They stand in the order in which
// the invocations come by, and no result depends on it. Each invocation looks at every so many networks.

// As Unfinished, while it is being made: the host has set both counts to 0.
struct Remaining {
    count: atomic<u32>,
    groups_x: atomic<u32>,
    groups_y: u32,
    groups_z: u32,
    networks: array<u32>,
}

@group(0) @binding(1) var<storage, read> unfinished: Unfinished;
@group(0) @binding(2) var<storage, read> status: array<u32>; // [network]
@group(0) @binding(3) var<storage, read_write> remaining_networks: Remaining;

@compute @workgroup_size(WORKGROUP)
fn remaining(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var slot = id.x; slot < unfinished.count; slot += WORKGROUP * groups.x) {
        let network = unfinished.networks[slot];
        if status[network] == PENDING {
            let place = atomicAdd(&remaining_networks.count, 1u);
            remaining_networks.networks[place] = network;
            let last = min(place, params.at_once - 1u);
            atomicMax(&remaining_networks.groups_x, last / params.networks_per_group + 1u);
        }
    }
}
