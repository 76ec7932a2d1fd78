import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * Starts DynamoDB Local in memory on the loopback address and a free port, which it prints.
 *
 * <p>By itself it listens on all addresses, and has no option against that. It ends with its standard input, and so
 * with the process that started it.
 */
class Loopback {
    public static void main(String[] args) throws Exception {
        DynamoDBProxyServer local =
                ServerRunner.createServerFromCommandLineArgs(new String[] {"-inMemory"});
        var field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        var connector = (ServerConnector) ((Server) field.get(local)).getConnectors()[0];
        connector.setHost("127.0.0.1");
        connector.setPort(0);
        local.start();
        System.out.println("listening on " + connector.getLocalPort());
        while (System.in.read() >= 0) {}
        System.exit(0);
    }
}
