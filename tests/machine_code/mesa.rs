//! The machine code that one of Mesa's drivers makes of a compute shader, on a device that only compiles.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString};

use ash::khr::pipeline_executable_properties;
use ash::vk;
use naga::AddressSpace;

use super::spirv::{Driver, validated, written};

/// The device of one driver.
pub(crate) struct Mesa {
    /// Keeps the loader's library open.
    _entry: ash::Entry,
    device: ash::Device,
    executables: pipeline_executable_properties::Device,
    driver: Driver,
}

/// One of Mesa's drivers.
#[derive(Clone, Copy)]
pub(crate) struct Vendor {
    /// A part of the names of its devices.
    pub(crate) name: &'static str,
    /// What it gets.
    pub(crate) driver: Driver,
    /// Whether buffers are kept within their bounds, as wgpu asks for.
    pub(crate) is_robust: bool,
}

/// A compiled shader.
pub(crate) struct Compiled {
    /// The compiler's statistics, by its own names.
    statistics: BTreeMap<String, u64>,
    assembly: String,
}

impl Mesa {
    /// Opens the first device of `vendor`, or says what is missing.
    pub(crate) fn open(vendor: Vendor) -> Result<Self, String> {
        let Vendor { name, driver, is_robust } = vendor;
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
            let is_meant = |device: &vk::PhysicalDevice| {
                let properties = instance.get_physical_device_properties(*device);
                properties.device_name_as_c_str().is_ok_and(|found| found.to_string_lossy().contains(name))
            };
            let found = devices.into_iter().find(is_meant).ok_or_else(|| format!("no device of {name}"))?;
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let mut extensions = vec![pipeline_executable_properties::NAME.as_ptr()];
            if is_robust {
                extensions.push(ash::ext::robustness2::NAME.as_ptr());
            }
            let mut bounds = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(is_robust);
            let core = vk::PhysicalDeviceFeatures::default().robust_buffer_access(is_robust);
            let mut tells =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut memory_model = vk::PhysicalDeviceVulkan12Features::default()
                .vulkan_memory_model(true)
                .vulkan_memory_model_device_scope(true);
            let wanted = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .enabled_features(&core)
                .push_next(&mut tells)
                .push_next(&mut memory_model);
            let wanted = if is_robust { wanted.push_next(&mut bounds) } else { wanted };
            let device = instance.create_device(found, &wanted, None).map_err(|error| format!("{name}: {error}"))?;
            let executables = pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Self { _entry: entry, device, executables, driver })
        }
    }

    /// Compiles the only entry point of `source`, as release builds do: without the counter that wgpu puts into loops.
    pub(crate) fn compile(&self, source: &str) -> Compiled {
        let (module, info) = validated(source);
        let words = written(&module, &info, self.driver);
        let entry = &module.entry_points[0].name;
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
        unsafe { self.pipeline(&words, entry, &bindings) }.unwrap_or_else(|error| panic!("{entry}: {error}"))
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
    /// What the compiler says of itself by the name `label`.
    pub(crate) fn figure(&self, label: &str) -> u32 {
        let value = self.statistics.get(label).unwrap_or_else(|| panic!("no `{label}` in {:?}", self.statistics));
        u32::try_from(*value).unwrap()
    }

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
