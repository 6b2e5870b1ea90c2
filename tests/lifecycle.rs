//! Both processes start, say when they are ready, and end when asked to.

use crate::support::{SHORT, Scene};

#[tokio::test]
async fn both_processes_become_ready_and_end_in_order_when_asked_to() {
    let mut scene = Scene::start("lifecycle", &[], &[]).await;
    for admin in [&scene.controller.admin, &scene.callback.admin] {
        assert_eq!(admin.get("/livez").await.map(|(status, _)| status), Ok(200));
        assert!(admin.metrics().await.contains("# TYPE"));
    }
    for process in [&mut scene.controller.process, &mut scene.callback.process] {
        assert!(process.terminate(SHORT).await.success(), "{}", process.output());
    }
}
