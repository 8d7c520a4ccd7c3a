//! The machine code that Mesa's compiler for AMD (RADV) makes of a compute shader. Its null device needs no GPU.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString};

use ash::khr::pipeline_executable_properties;
use ash::vk;
use wgpu::naga::{AddressSpace, back::spv, front::wgsl, valid};

/// The null device of one family of GPUs, which the environment names to the driver: see [`VARIABLES`].
pub(crate) struct Radv {
    /// Keeps the loader's library open.
    _entry: ash::Entry,
    device: ash::Device,
    executables: pipeline_executable_properties::Device,
}

/// What the environment of a process must hold before it loads the driver: the family, and that no cache is used.
pub(crate) const VARIABLES: [(&str, &str); 2] = [("RADV_FORCE_FAMILY", "gfx1100"), ("MESA_SHADER_CACHE_DISABLE", "1")];

/// A compiled shader.
pub(crate) struct Compiled {
    /// The compiler's statistics, by its own names.
    pub(crate) statistics: BTreeMap<String, u64>,
    assembly: String,
}

impl Radv {
    /// Opens the null device, or says what is missing.
    pub(crate) fn open() -> Result<Self, String> {
        // SAFETY: the loader is a system library made to be loaded. Every handle below is used only with the instance
        // or device that it comes from, both are kept until the process ends, and every pointer is to something that
        // outlives the call.
        unsafe {
            let entry = ash::Entry::load().map_err(|error| format!("no Vulkan loader: {error}"))?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_2);
            let instance = entry
                .create_instance(&vk::InstanceCreateInfo::default().application_info(&application), None)
                .map_err(|error| format!("no Vulkan instance: {error}"))?;
            let devices =
                instance.enumerate_physical_devices().map_err(|error| format!("no Vulkan device: {error}"))?;
            let is_radv = |device: &vk::PhysicalDevice| {
                let properties = instance.get_physical_device_properties(*device);
                properties.device_name_as_c_str().is_ok_and(|name| name.to_string_lossy().contains("RADV"))
            };
            let radv =
                devices.into_iter().find(is_radv).ok_or("no null device of RADV: install mesa-vulkan-drivers")?;
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let extensions = [pipeline_executable_properties::NAME.as_ptr()];
            let mut tells =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut memory_model = vk::PhysicalDeviceVulkan12Features::default()
                .vulkan_memory_model(true)
                .vulkan_memory_model_device_scope(true);
            let wanted = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(&mut tells)
                .push_next(&mut memory_model);
            let device = instance.create_device(radv, &wanted, None).map_err(|error| format!("RADV: {error}"))?;
            let executables = pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Self { _entry: entry, device, executables })
        }
    }

    /// Compiles the only entry point of `source`, as release builds do: without the counter that wgpu puts into loops.
    pub(crate) fn compile(&self, source: &str) -> Compiled {
        let module = wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
        let info = valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::all())
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
        let entry = &module.entry_points[0];
        let options = spv::Options {
            lang_version: (1, 3),
            force_loop_bounding: false,
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            ..spv::Options::default()
        };
        let stage = spv::PipelineOptions { shader_stage: entry.stage, entry_point: entry.name.clone() };
        let words = spv::write_vec(&module, &info, &options, Some(&stage)).unwrap();
        let bindings: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let kind = match variable.space {
                    AddressSpace::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                    _ => vk::DescriptorType::STORAGE_BUFFER,
                };
                let number = variable.binding.as_ref()?.binding;
                Some(
                    vk::DescriptorSetLayoutBinding::default()
                        .binding(number)
                        .descriptor_type(kind)
                        .descriptor_count(1)
                        .stage_flags(vk::ShaderStageFlags::COMPUTE),
                )
            })
            .collect();
        // SAFETY: as in `open`; the module is valid, since it was written from a validated one.
        unsafe { self.pipeline(&words, &entry.name, &bindings) }
            .unwrap_or_else(|error| panic!("{}: {error}", entry.name))
    }

    unsafe fn pipeline(
        &self,
        words: &[u32],
        entry: &str,
        bindings: &[vk::DescriptorSetLayoutBinding<'_>],
    ) -> Result<Compiled, vk::Result> {
        let device = &self.device;
        let entry = CString::new(entry).unwrap_or_default();
        // SAFETY: by the caller.
        unsafe {
            let module = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(words), None)?;
            let set = device
                .create_descriptor_set_layout(&vk::DescriptorSetLayoutCreateInfo::default().bindings(bindings), None)?;
            let sets = [set];
            let layout =
                device.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&sets), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let wanted = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout).flags(
                vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                    | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
            );
            let pipelines = device.create_compute_pipelines(vk::PipelineCache::null(), &[wanted], None);
            let pipeline = pipelines.map_err(|(_, error)| error)?[0];
            let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let mut statistics = BTreeMap::new();
            for statistic in self.executables.get_pipeline_executable_statistics(&executable)? {
                let name = statistic.name_as_c_str().unwrap_or_default().to_string_lossy().into_owned();
                statistics.insert(name, statistic.value.u64);
            }
            let assembly = self.assembly(&executable)?;
            device.destroy_pipeline(pipeline, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(set, None);
            device.destroy_shader_module(module, None);
            Ok(Compiled { statistics, assembly })
        }
    }

    /// ash has no call for the texts of a pipeline that first asks for their lengths.
    unsafe fn assembly(&self, executable: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String, vk::Result> {
        let call = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let mut count = 0;
        // SAFETY: by the caller; `texts` has room for `count` of them, and each for as many bytes as it says.
        unsafe {
            call(self.device.handle(), executable, &raw mut count, std::ptr::null_mut()).result()?;
            let mut texts = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            call(self.device.handle(), executable, &raw mut count, texts.as_mut_ptr()).result()?;
            let mut rooms: Vec<Vec<u8>> = texts.iter().map(|text| vec![0; text.data_size]).collect();
            for (text, room) in texts.iter_mut().zip(&mut rooms) {
                text.p_data = room.as_mut_ptr().cast();
            }
            call(self.device.handle(), executable, &raw mut count, texts.as_mut_ptr()).result()?;
            let is_assembly = |name: Result<&CStr, _>| {
                name.is_ok_and(|name| name.to_string_lossy().to_lowercase().contains("assembly"))
            };
            let found = texts.iter().zip(&rooms).find(|(text, _)| is_assembly(text.name_as_c_str()));
            Ok(found.map(|(_, room)| String::from_utf8_lossy(room).into_owned()).unwrap_or_default())
        }
    }
}

impl Compiled {
    /// What the most expensive trip of an innermost loop costs to issue: its vector instructions, and four for each
    /// transcendental one.
    pub(crate) fn dearest_trip(&self) -> u32 {
        let lines: Vec<&str> = self.assembly.lines().map(str::trim).collect();
        let mut labels = HashMap::new();
        // From a label to a branch back to it.
        let mut loops: Vec<(usize, usize)> = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            if let Some(label) = line.strip_suffix(':') {
                labels.insert(label, number);
            } else if line.starts_with("s_branch") || line.starts_with("s_cbranch") {
                let start = line.split_whitespace().nth(1).and_then(|label| labels.get(label));
                loops.extend(start.map(|&start| (start, number)));
            }
        }
        let holds =
            |outer: (usize, usize), inner: (usize, usize)| outer != inner && outer.0 <= inner.0 && inner.1 <= outer.1;
        let innermost = loops.iter().filter(|&&outer| !loops.iter().any(|&inner| holds(outer, inner)));
        innermost.map(|&(start, end)| lines[start..=end].iter().map(|line| issue_cost(line)).sum()).max().unwrap_or(0)
    }
}

fn issue_cost(line: &str) -> u32 {
    const TRANSCENDENTAL: [&str; 7] = ["v_exp", "v_log", "v_rcp", "v_rsq", "v_sqrt", "v_sin", "v_cos"];
    if TRANSCENDENTAL.iter().any(|name| line.starts_with(name)) { 4 } else { u32::from(line.starts_with("v_")) }
}
